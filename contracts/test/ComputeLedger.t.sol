// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ComputeLedger} from "../src/ComputeLedger.sol";
import {IComputeLedger} from "../src/interfaces/IComputeLedger.sol";
import {LedgerFixture} from "./support/LedgerFixture.sol";
import {Receiver, SilentToken} from "./support/LedgerTokens.sol";

contract ComputeLedgerTest is LedgerFixture {
    // ---- free balance

    function test_constructorKeepsItsArguments() public view {
        assertEq(ledger.token(), address(token));
        assertEq(address(ledger.accounts()), address(accounts));
        assertEq(uint256(ledger.claimWindow()), WINDOW);
    }

    function test_depositCreditsThePayerItNames() public {
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Deposited(alice, payer, 5 ether);
        vm.prank(payer);
        ledger.deposit(alice, 5 ether);
        assertEq(ledger.balanceOf(alice), 5 ether);
        assertEq(ledger.balanceOf(payer), 0);
        assertEq(token.balanceOf(address(ledger)), 5 ether);
    }

    function test_depositRefusesZeroAndItself() public {
        vm.startPrank(payer);
        vm.expectRevert(IComputeLedger.ZeroAddress.selector);
        ledger.deposit(address(0), 1);
        vm.expectRevert(IComputeLedger.SelfAddress.selector);
        ledger.deposit(address(ledger), 1);
    }

    function test_depositWithPermitNeedsNoApproval() public {
        vm.prank(payer);
        token.approve(address(ledger), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(7 ether, block.timestamp);
        vm.prank(payer);
        ledger.depositWithPermit(payer, 7 ether, block.timestamp, v, r, s);
        assertEq(ledger.balanceOf(payer), 7 ether);
    }

    function test_transferAndCallCreditsTheSender() public {
        vm.prank(payer);
        token.transferAndCall(address(ledger), 3 ether);
        assertEq(ledger.balanceOf(payer), 3 ether);
    }

    function test_transferAndCallCreditsTheAddressInItsData() public {
        vm.startPrank(payer);
        token.transferAndCall(address(ledger), 3 ether, abi.encodePacked(alice));
        token.transferAndCall(address(ledger), 4 ether, abi.encode(alice));
        assertEq(ledger.balanceOf(alice), 7 ether);
        assertEq(ledger.balanceOf(payer), 0);
    }

    function test_transferAndCallRefusesOtherData() public {
        vm.startPrank(payer);
        vm.expectRevert(IComputeLedger.BadData.selector);
        token.transferAndCall(address(ledger), 1, hex"01");
        vm.expectRevert();
        token.transferAndCall(address(ledger), 1, abi.encode(type(uint256).max));
        vm.expectRevert(IComputeLedger.ZeroAddress.selector);
        token.transferAndCall(address(ledger), 1, abi.encode(address(0)));
    }

    function test_onlyTheTokenMayReportATransfer() public {
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.NotToken.selector, stranger));
        vm.prank(stranger);
        ledger.onTransferReceived(stranger, stranger, 1 ether, "");
    }

    function test_withdrawTakesFromTheFreeBalance() public {
        depositAll();
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Withdrawn(payer, alice, 1 ether);
        vm.prank(payer);
        ledger.withdraw(1 ether, alice);
        assertEq(ledger.balanceOf(payer), FUNDS - 1 ether);
        assertEq(token.balanceOf(alice), 1 ether);
    }

    function test_withdrawRefusesMoreThanIsFree() public {
        open(400 ether);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.InsufficientBalance.selector, 600 ether, 600 ether + 1));
        vm.prank(payer);
        ledger.withdraw(600 ether + 1, payer);
        vm.prank(payer);
        ledger.withdraw(600 ether, payer);
        assertEq(ledger.balanceOf(payer), 0);
    }

    function test_withdrawRefusesZeroAndItself() public {
        depositAll();
        vm.startPrank(payer);
        vm.expectRevert(IComputeLedger.ZeroAddress.selector);
        ledger.withdraw(1, address(0));
        vm.expectRevert(IComputeLedger.SelfAddress.selector);
        ledger.withdraw(1, address(ledger));
    }

    // ---- set aside

    function test_authorizeSetsMoneyAside() public {
        depositAll();
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Authorized(payer, session, 10 ether, expiry);
        vm.prank(payer);
        ledger.authorize(session, 10 ether, expiry);
        IComputeLedger.Authorization memory authorization = ledger.authorizationOf(payer, session);
        assertEq(uint256(authorization.cap), 10 ether);
        assertEq(uint256(authorization.spent), 0);
        assertEq(uint256(authorization.expiry), expiry);
        assertFalse(authorization.closed);
        assertEq(ledger.balanceOf(payer), FUNDS - 10 ether);
        assertEq(ledger.remainingOf(payer, session), 10 ether);
    }

    function test_authorizeAgainTakesOnlyWhatIsNew() public {
        open(10 ether);
        vm.startPrank(payer);
        ledger.authorize(session, 15 ether, expiry);
        ledger.authorize(session, 15 ether, expiry + 1);
        assertEq(ledger.balanceOf(payer), FUNDS - 15 ether);
        assertEq(uint256(ledger.authorizationOf(payer, session).expiry), expiry + 1);
    }

    function test_authorizeNeverShrinks() public {
        open(10 ether);
        vm.startPrank(payer);
        vm.expectRevert(IComputeLedger.AuthorizationCannotShrink.selector);
        ledger.authorize(session, 10 ether - 1, expiry + 1);
        vm.expectRevert(IComputeLedger.AuthorizationCannotShrink.selector);
        ledger.authorize(session, 11 ether, expiry - 1);
    }

    function test_authorizeNeedsEnoughFreeBalance() public {
        depositAll();
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.InsufficientBalance.selector, FUNDS, FUNDS + 1));
        vm.prank(payer);
        ledger.authorize(session, uint96(FUNDS + 1), expiry);
    }

    function test_authorizeRefusesExpiriesPastOrFar() public {
        depositAll();
        uint256 latest = block.timestamp + 400 days;
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.ExpiryPassed.selector, block.timestamp));
        ledger.authorize(session, 1, uint40(block.timestamp));
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.ExpiryTooFar.selector, latest));
        ledger.authorize(session, 1, uint40(latest + 1));
        ledger.authorize(session, 1, uint40(latest));
        ledger.authorize(alice, 1, uint40(block.timestamp + 1));
    }

    function test_authorizeBySigNeedsNoTransactionOfThePayer() public {
        depositAll();
        bytes memory signature = signWith(payerKey, authorizationDigest(payer, session, 9 ether, expiry));
        vm.prank(stranger);
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
        assertEq(ledger.remainingOf(payer, session), 9 ether);
    }

    function test_authorizeBySigRepeatedChangesNothing() public {
        depositAll();
        bytes memory signature = signWith(payerKey, authorizationDigest(payer, session, 9 ether, expiry));
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
        claim(pay(alice, 4 ether));
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
        vm.warp(expiry + 1);
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
        assertEq(ledger.remainingOf(payer, session), 5 ether);
        assertEq(ledger.balanceOf(payer), FUNDS - 9 ether);
    }

    function test_authorizeBySigRefusesAnotherSigner() public {
        depositAll();
        bytes memory signature = signWith(sessionKey, authorizationDigest(payer, session, 9 ether, expiry));
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
    }

    function test_revokeBeginsTheClaimWindow() public {
        open(10 ether);
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Revoked(payer, session, uint40(block.timestamp));
        vm.prank(payer);
        ledger.revoke(session);
        assertEq(uint256(ledger.authorizationOf(payer, session).expiry), block.timestamp);
        assertEq(ledger.remainingOf(payer, session), 10 ether);
        skip(WINDOW - 1);
        claim(pay(alice, 1 ether));
        skip(1);
        assertEq(ledger.remainingOf(payer, session), 0);
        assertEq(ledger.release(payer, session), 9 ether);
    }

    function test_revokeAfterExpiryDoesNotLengthenTheWindow() public {
        open(10 ether);
        vm.warp(expiry + 10);
        vm.prank(payer);
        ledger.revoke(session);
        assertEq(uint256(ledger.authorizationOf(payer, session).expiry), expiry);
    }

    function test_revokedKeyIsNeverAuthorizedAgain() public {
        depositAll();
        bytes memory signature = signWith(payerKey, authorizationDigest(payer, session, 9 ether, expiry));
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
        vm.prank(payer);
        ledger.revoke(session);
        vm.expectRevert(IComputeLedger.AuthorizationClosed.selector);
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
    }

    function test_revokeCancelsASignatureNotYetUsed() public {
        depositAll();
        bytes memory signature = signWith(payerKey, authorizationDigest(payer, session, 9 ether, expiry));
        vm.prank(payer);
        ledger.revoke(session);
        vm.expectRevert(IComputeLedger.AuthorizationClosed.selector);
        ledger.authorizeBySig(payer, session, 9 ether, expiry, signature);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.UnknownAuthorization.selector, payer, session));
        ledger.release(payer, session);
    }

    function test_releaseGivesBackWhatVouchersDidNotDraw() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        afterWindow();
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Released(payer, session, 6 ether);
        vm.prank(stranger);
        assertEq(ledger.release(payer, session), 6 ether);
        assertEq(ledger.balanceOf(payer), FUNDS - 4 ether);
        assertEq(ledger.release(payer, session), 0);
        assertEq(ledger.balanceOf(payer), FUNDS - 4 ether);
        assertEq(claimedOf(alice), 4 ether);
    }

    function test_releaseWaitsForTheClaimWindow() public {
        open(10 ether);
        uint256 until = uint256(expiry) + WINDOW;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.ClaimWindowOpen.selector, until));
        ledger.release(payer, session);
        vm.warp(until);
        ledger.release(payer, session);
    }

    function test_releaseRefusesWhatWasNeverOpen() public {
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.UnknownAuthorization.selector, payer, session));
        ledger.release(payer, session);
    }

    function test_releasedKeyIsNeverAuthorizedAgain() public {
        open(10 ether);
        afterWindow();
        ledger.release(payer, session);
        vm.expectRevert(IComputeLedger.AuthorizationClosed.selector);
        vm.prank(payer);
        ledger.authorize(session, 20 ether, uint40(block.timestamp + 1 days));
    }

    function test_expiredButNotReleasedCanBeExtended() public {
        open(10 ether);
        afterWindow();
        assertEq(ledger.remainingOf(payer, session), 0);
        vm.prank(payer);
        ledger.authorize(session, 10 ether, uint40(block.timestamp + 1 days));
        assertEq(ledger.remainingOf(payer, session), 10 ether);
    }

    // ---- earned

    function test_claimCreditsEveryPayee() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether, bob, 2 ether);
        bytes memory signature = sign(voucher);
        vm.expectEmit(address(ledger));
        emit IComputeLedger.Claimed(payer, session, 3 ether);
        assertEq(ledger.claim(voucher, signature), 3 ether);
        assertEq(claimedOf(alice), 1 ether);
        assertEq(claimedOf(bob), 2 ether);
        assertEq(spent(), 3 ether);
    }

    function test_claimCreditsOnlyWhatIsNew() public {
        open(10 ether);
        claim(pay(alice, 1 ether, bob, 2 ether));
        assertEq(claim(pay(alice, 4 ether, carol, 1 ether)), 4 ether);
        assertEq(claimedOf(alice), 4 ether);
        assertEq(claimedOf(bob), 2 ether);
        assertEq(claimedOf(carol), 1 ether);
        assertEq(spent(), 7 ether);
    }

    function test_claimTakesCompactSignatures() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        (bytes32 r, bytes32 vs) = vm.signCompact(sessionKey, digestOf(voucher));
        assertEq(ledger.claim(voucher, abi.encodePacked(r, vs)), 1 ether);
    }

    function test_claimBeyondTheCapCreditsInListOrder() public {
        open(10 ether);
        assertEq(claim(pay(alice, 7 ether, bob, 5 ether)), 10 ether);
        assertEq(claimedOf(alice), 7 ether);
        assertEq(claimedOf(bob), 3 ether);
        assertEq(ledger.remainingOf(payer, session), 0);
        vm.prank(payer);
        ledger.authorize(session, 12 ether, expiry);
        assertEq(claim(pay(alice, 7 ether, bob, 5 ether)), 2 ether);
        assertEq(claimedOf(bob), 5 ether);
    }

    function test_claimCreditsTheLastWeiOfTheCap() public {
        open(1);
        assertEq(claim(pay(alice, 1 ether)), 1);
        assertEq(claimedOf(alice), 1);
        assertEq(claim(pay(alice, 1 ether)), 0);
    }

    function test_claimOfAnEmptyVoucherCreditsNothing() public {
        open(10 ether);
        assertEq(claim(list(0)), 0);
    }

    function test_claimSaysWhyAVoucherDoesNotCount() public {
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        bytes memory signature = sign(voucher);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.UnknownAuthorization.selector, payer, session));
        ledger.claim(voucher, signature);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.claim(voucher, hex"1234");
        open(10 ether);
        afterWindow();
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.ClaimWindowOver.selector, block.timestamp));
        ledger.claim(voucher, signature);
    }

    function test_claimCountsUntilTheEndOfTheClaimWindow() public {
        open(10 ether);
        vm.warp(uint256(expiry) + WINDOW - 1);
        assertEq(claim(pay(alice, 1 ether)), 1 ether);
    }

    function test_claimBatchAddsUp() public {
        open(10 ether);
        IComputeLedger.Voucher[] memory vouchers = new IComputeLedger.Voucher[](2);
        (vouchers[0], vouchers[1]) = (pay(alice, 1 ether), pay(alice, 2 ether, bob, 5 ether));
        bytes[] memory signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (sign(vouchers[0]), sign(vouchers[1]));
        assertEq(ledger.claimBatch(vouchers, signatures), 7 ether);
        assertEq(claimedOf(alice), 2 ether);
        assertEq(claimedOf(bob), 5 ether);
    }

    function test_claimBatchRefusesUnevenLists() public {
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.LengthMismatch.selector, 1, 2));
        ledger.claimBatch(new IComputeLedger.Voucher[](1), new bytes[](2));
    }

    function test_payOutPaysTheCallerItself() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        vm.expectEmit(address(ledger));
        emit IComputeLedger.PaidOut(alice, 4 ether);
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 4 ether);
        assertEq(token.balanceOf(alice), 4 ether);
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 0);
    }

    function test_payOutByAnyoneGoesToThePayoutAddressOnly() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.NoPayout.selector, alice));
        vm.prank(stranger);
        ledger.payOut(alice, channel());
        setPayout(alice, carol);
        vm.prank(stranger);
        ledger.payOut(alice, channel());
        assertEq(token.balanceOf(carol), 4 ether);
        claim(pay(alice, 5 ether));
        ledger.payOut(alice, channel());
        assertEq(token.balanceOf(carol), 5 ether);
    }

    /// It could name itself first: what it calls for is its own, wherever others send it.
    function test_payOutPaysTheCallerItselfWhateverItsPayoutAddress() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        setPayout(alice, carol);
        vm.prank(alice);
        ledger.payOut(alice, channel());
        assertEq(token.balanceOf(alice), 4 ether);
        assertEq(token.balanceOf(carol), 0);
    }

    function test_payOutAddsUpChannelsAndCountsEachOnce() public {
        open(10 ether);
        (address second, uint256 secondKey) = makeKey("second session");
        vm.prank(payer);
        ledger.authorize(second, 10 ether, expiry);
        claim(pay(alice, 4 ether));
        IComputeLedger.Voucher memory voucher = pay(alice, 3 ether);
        ledger.claim(voucher, signWith(secondKey, digestOf(voucher)));
        IComputeLedger.Channel[] memory channels = new IComputeLedger.Channel[](3);
        channels[0] = channels[2] = IComputeLedger.Channel(payer, session);
        channels[1] = IComputeLedger.Channel(payer, second);
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channels), 7 ether);
        assertEq(token.balanceOf(alice), 7 ether);
    }

    function test_payOutRefusesTheLedgerAsPayoutAddress() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        setPayout(alice, address(ledger));
        vm.expectRevert(IComputeLedger.SelfAddress.selector);
        ledger.payOut(alice, channel());
    }

    function test_payOutAndCallSendsEarningsOn() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        Receiver receiver = new Receiver();
        vm.prank(alice);
        assertEq(ledger.payOutAndCall(channel(), address(receiver), hex"c0ffee"), 4 ether);
        assertEq(token.balanceOf(address(receiver)), 4 ether);
        assertEq(receiver.lastData(), hex"c0ffee");
        vm.recordLogs();
        vm.prank(alice);
        assertEq(ledger.payOutAndCall(channel(), address(receiver), ""), 0);
        assertEq(receiver.lastData(), hex"c0ffee"); // nothing to send, nobody to call
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_payOutAndCallSendsASingleWei() public {
        open(10 ether);
        claim(pay(alice, 1));
        Receiver receiver = new Receiver();
        vm.prank(alice);
        assertEq(ledger.payOutAndCall(channel(), address(receiver), ""), 1);
        assertEq(token.balanceOf(address(receiver)), 1);
    }

    function test_payOutPaysASingleWei() public {
        open(10 ether);
        claim(pay(alice, 1));
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 1);
        assertEq(token.balanceOf(alice), 1);
        vm.recordLogs();
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 0);
        assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_payOutAndCallTakesOnlyTheCallersEarnings() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        Receiver receiver = new Receiver();
        vm.prank(stranger);
        assertEq(ledger.payOutAndCall(channel(), address(receiver), ""), 0);
        assertEq(token.balanceOf(address(receiver)), 0);
    }

    function test_payOutAndCallRevertsWhenTheTokenSaysNo() public {
        SilentToken silent = new SilentToken();
        ledger = new ComputeLedger(address(silent), accounts, WINDOW);
        silent.mint(payer, FUNDS);
        vm.prank(payer);
        silent.approve(address(ledger), FUNDS);
        open(10 ether);
        claim(pay(alice, 4 ether));
        vm.expectRevert(bytes4(keccak256("TransferFailed()")));
        vm.prank(alice);
        ledger.payOutAndCall(channel(), address(this), "");
    }

    function test_claimAndPayOutDoesBoth() public {
        open(10 ether);
        claim(pay(alice, 1 ether));
        IComputeLedger.Voucher memory voucher = pay(alice, 4 ether, bob, 2 ether);
        bytes memory signature = sign(voucher);
        vm.prank(alice);
        assertEq(ledger.claimAndPayOut(voucher, signature, alice), 4 ether);
        assertEq(token.balanceOf(alice), 4 ether);
        assertEq(claimedOf(bob), 2 ether);
        setPayout(bob, carol);
        assertEq(ledger.claimAndPayOut(voucher, signature, bob), 2 ether);
        assertEq(token.balanceOf(carol), 2 ether);
    }

    function test_claimAndPayOutRefusesWhatDoesNotCount() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 4 ether);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        vm.prank(alice);
        ledger.claimAndPayOut(voucher, "", alice);
    }

    // ---- fuzz

    /// Whatever is deposited, set aside, claimed and released comes out again, to the wei.
    function test_everyWeiComesOut(uint256 deposit, uint256 cap, uint256 first, uint256 second) public {
        deposit = bound(deposit, 0, FUNDS);
        cap = bound(cap, 0, deposit);
        uint96 forAlice = uint96(bound(first, 0, type(uint96).max));
        uint96 forBob = uint96(bound(second, 0, type(uint96).max - forAlice));
        vm.startPrank(payer);
        ledger.deposit(payer, deposit);
        ledger.authorize(session, uint96(cap), expiry);
        vm.stopPrank();
        IComputeLedger.Voucher memory voucher = pay(alice, forAlice, bob, forBob);
        bytes memory signature = sign(voucher);
        uint256 claimed = ledger.claim(voucher, signature);
        uint256 promised = uint256(forAlice) + forBob;
        assertEq(claimed, promised < cap ? promised : cap);
        afterWindow();
        ledger.release(payer, session);
        vm.prank(payer);
        ledger.withdraw(deposit - claimed, payer);
        vm.prank(alice);
        ledger.payOut(alice, channel());
        vm.prank(bob);
        ledger.payOut(bob, channel());
        assertEq(token.balanceOf(address(ledger)), 0);
        assertEq(token.balanceOf(payer), FUNDS - claimed);
        assertEq(token.balanceOf(alice) + token.balanceOf(bob), claimed);
        assertEq(token.balanceOf(alice), forAlice < cap ? forAlice : cap);
    }

    /// The order in which vouchers arrive never changes what a payee has in the end.
    function test_orderOfVouchersDoesNotMatter(uint96 a, uint96 b, uint96 c) public {
        open(uint96(FUNDS));
        uint96[3] memory amounts = [a % 300 ether, b % 300 ether, c % 300 ether];
        uint256 highest = 0;
        for (uint256 i = 0; i < 3; ++i) {
            claim(pay(alice, amounts[i]));
            if (amounts[i] > highest) highest = amounts[i];
            assertEq(claimedOf(alice), highest);
        }
        assertEq(spent(), highest);
    }

    /// A voucher of any length hashes as EIP-712 says and pays the sum of its payments.
    function test_voucherOfAnyLength(uint8 length, uint64 seed) public {
        open(uint96(FUNDS));
        IComputeLedger.Voucher memory voucher = list(length % 40);
        uint256 sum = 0;
        for (uint256 i = 0; i < voucher.payments.length; ++i) {
            uint96 amount = uint96(uint256(keccak256(abi.encode(seed, i))) % 1 ether);
            voucher.payments[i] = IComputeLedger.Payment(address(uint160(1000 + i)), amount);
            sum += amount;
        }
        assertEq(claim(voucher), sum);
    }

    function permit(uint256 amount, uint256 deadline) internal view returns (uint8, bytes32, bytes32) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash =
            keccak256(abi.encode(typeHash, payer, address(ledger), amount, token.nonces(payer), deadline));
        return vm.sign(payerKey, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }
}
