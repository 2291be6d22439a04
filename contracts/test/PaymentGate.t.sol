// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IComputeLedger} from "../src/interfaces/IComputeLedger.sol";
import {PaymentGate} from "../src/PaymentGate.sol";
import {LedgerFixture} from "./support/LedgerFixture.sol";

contract PaymentGateTest is LedgerFixture {
    uint40 private constant VALIDITY = 3 days;
    address private gate;

    function setUp() public override {
        super.setUp();
        gate = ledger.openGate(session, VALIDITY);
    }

    function test_openGateGivesTheSameGateForTheSameArguments() public {
        assertEq(ledger.openGate(session, VALIDITY), gate);
        assertGt(gate.code.length, 0);
        assertNotEq(ledger.openGate(session, VALIDITY + 1), gate);
        assertNotEq(ledger.openGate(alice, VALIDITY), gate);
    }

    function test_openGateSaysSo() public {
        vm.recordLogs();
        address opened = ledger.openGate(alice, VALIDITY);
        bytes32 event_ = IComputeLedger.GateOpened.selector;
        assertEq(vm.getRecordedLogs()[0].topics[0], event_);
        assertEq(ledger.openGate(alice, VALIDITY), opened);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_openGateRefusesZeroAndLongValidity() public {
        vm.expectRevert(IComputeLedger.ZeroAddress.selector);
        ledger.openGate(address(0), VALIDITY);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.ExpiryTooFar.selector, block.timestamp + 400 days));
        ledger.openGate(session, 400 days + 1);
        ledger.openGate(session, 400 days);
    }

    function test_paymentIsSetAsideForTheGatesKey() public {
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Deposited(payer, gate, 5 ether);
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Authorized(payer, session, 5 ether, uint40(block.timestamp + VALIDITY));
        vm.prank(payer);
        token.transferAndCall(gate, 5 ether);
        IComputeLedger.Authorization memory authorization = ledger.authorizationOf(payer, session);
        assertEq(uint256(authorization.cap), 5 ether);
        assertEq(uint256(authorization.expiry), block.timestamp + VALIDITY);
        assertEq(ledger.balanceOf(payer), 0);
        assertEq(token.balanceOf(address(ledger)), 5 ether);
        assertEq(token.balanceOf(gate), 0);
        assertEq(claim(pay(alice, 2 ether)), 2 ether);
    }

    function test_signedTransferThroughAnyoneIsSetAside() public {
        uint256 validBefore = block.timestamp + 1 minutes;
        (uint8 v, bytes32 r, bytes32 s) = authorizeTransfer(5 ether, validBefore);
        vm.prank(stranger);
        token.transferWithAuthorization(payer, gate, 5 ether, 0, validBefore, bytes32("once"), v, r, s);
        assertEq(ledger.remainingOf(payer, session), 5 ether);
        assertEq(ledger.remainingOf(stranger, session), 0);
    }

    function test_paymentsAddUpAndTheLatestExpiryCounts() public {
        open(10 ether);
        token.mint(payer, 5 ether);
        vm.prank(payer);
        token.transferAndCall(gate, 2 ether);
        assertEq(uint256(ledger.authorizationOf(payer, session).expiry), expiry);
        skip(5 days);
        vm.prank(payer);
        token.transferAndCall(gate, 3 ether);
        assertEq(uint256(ledger.authorizationOf(payer, session).expiry), block.timestamp + VALIDITY);
        assertEq(ledger.remainingOf(payer, session), 15 ether);
    }

    function test_paymentAfterReleaseGoesToTheFreeBalance() public {
        open(10 ether);
        afterWindow();
        ledger.release(payer, session);
        token.mint(payer, 5 ether);
        vm.prank(payer);
        token.transferAndCall(gate, 5 ether);
        assertEq(ledger.balanceOf(payer), FUNDS + 5 ether);
        assertEq(ledger.remainingOf(payer, session), 0);
    }

    function test_paymentAfterRevokeGoesToTheFreeBalance() public {
        vm.startPrank(payer);
        ledger.revoke(session);
        token.transferAndCall(gate, 5 ether);
        assertEq(ledger.balanceOf(payer), 5 ether);
        assertEq(ledger.remainingOf(payer, session), 0);
    }

    function test_plainTransferGoesOnWithTheNextPayment() public {
        vm.startPrank(payer);
        token.transfer(gate, 1 ether);
        assertEq(ledger.remainingOf(payer, session), 0);
        token.transferAndCall(gate, 2 ether);
        assertEq(ledger.remainingOf(payer, session), 3 ether);
    }

    function test_onlyTheTokenMayReportAPayment() public {
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.NotToken.selector, stranger));
        vm.prank(stranger);
        PaymentGate(gate).onTransferReceived(stranger, payer, 1 ether, "");
    }

    function test_onlyAGateMayDepositThroughIt() public {
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.NotAGate.selector, stranger));
        vm.prank(stranger);
        ledger.depositThroughGate(payer, 0);
    }

    function test_ledgerAndGateSayTheyTakePayments() public view {
        address[2] memory receivers = [gate, address(ledger)];
        for (uint256 i = 0; i < 2; ++i) {
            assertTrue(IERC165(receivers[i]).supportsInterface(type(IERC1363Receiver).interfaceId));
            assertTrue(IERC165(receivers[i]).supportsInterface(type(IERC165).interfaceId));
            assertFalse(IERC165(receivers[i]).supportsInterface(0xffffffff));
        }
    }

    function test_ledgerCannotPayThroughAGate() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        vm.expectRevert(IComputeLedger.SelfAddress.selector);
        vm.prank(alice);
        ledger.payOutAndCall(channel(), gate, "");
    }

    /// A gate payment is either set aside or free, whatever was before it; the expiry never falls.
    function test_gatePaymentIsNeverLost(uint256 cap, uint256 amount, uint256 wait, uint8 what) public {
        open(uint96(bound(cap, 1, FUNDS)));
        amount = bound(amount, 1, 1_000 ether);
        skip(bound(wait, 0, 20 days));
        if (what % 3 == 1) {
            vm.prank(payer);
            ledger.revoke(session);
        } else if (what % 3 == 2 && block.timestamp >= expiry + WINDOW) {
            ledger.release(payer, session);
        }
        uint40 before = ledger.authorizationOf(payer, session).expiry;
        token.mint(payer, amount);
        vm.prank(payer);
        token.transferAndCall(gate, amount);
        assertEq(owed(), FUNDS + amount);
        assertEq(token.balanceOf(address(ledger)), FUNDS + amount);
        assertGe(uint256(ledger.authorizationOf(payer, session).expiry), before);
    }

    function authorizeTransfer(uint256 amount, uint256 validBefore) internal view returns (uint8, bytes32, bytes32) {
        bytes32 typeHash = keccak256(
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(abi.encode(typeHash, payer, gate, amount, 0, validBefore, bytes32("once")));
        return vm.sign(payerKey, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }
}
