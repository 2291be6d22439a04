// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIC} from "../src/AIC.sol";
import {ComputeLedger} from "../src/ComputeLedger.sol";
import {IComputeLedger} from "../src/interfaces/IComputeLedger.sol";
import {LedgerFixture} from "./support/LedgerFixture.sol";
import {Vm} from "./support/Vm.sol";
import {
    BlacklistToken,
    Bomb,
    ContractWallet,
    Delegator,
    FeeToken,
    HookToken,
    NoReturnToken,
    RebasingToken,
    Receiver,
    Reenterer
} from "./support/LedgerTokens.sol";

interface IToken {
    function mint(address to, uint256 amount) external;
    function approve(address spender, uint256 amount) external;
    function balanceOf(address account) external view returns (uint256);
}

/// @title Every attack on vouchers and escrow that we know of, each by its name
contract ComputeLedgerAttacksTest is LedgerFixture {
    /// secp256k1's order.
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    // ---------------------------------------------------------------------------------------- replay

    function test_crossChainReplay() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        bytes memory signature = sign(voucher);
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        expectNothingClaimed(voucher, signature);
        assertEq(ledger.claim(voucher, sign(voucher)), 1 ether); // the fork has a domain of its own
        vm.chainId(here);
        expectNothingClaimed(pay(alice, 2 ether), signature);
    }

    function test_crossChainReplay_ofAnAuthorization() public {
        depositAll();
        bytes memory signature = signWith(payerKey, authorizationDigest(payer, session, 1 ether, expiry));
        vm.chainId(block.chainid + 1);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(payer, session, 1 ether, expiry, signature);
    }

    function test_crossContractReplay() public {
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        bytes memory signature = sign(voucher);
        ledger = new ComputeLedger(address(token), accounts, WINDOW);
        vm.prank(payer);
        token.approve(address(ledger), type(uint256).max);
        open(10 ether);
        expectNothingClaimed(voucher, signature);
    }

    /// A ledger keeps one token, fixed for ever, so another token means another ledger, which is another domain.
    function test_crossTokenReplay() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        bytes memory signature = sign(voucher);
        assertEq(ledger.claim(voucher, signature), 1 ether);
        token = new AIC(address(this), payer, FUNDS);
        ledger = new ComputeLedger(address(token), accounts, WINDOW);
        vm.prank(payer);
        token.approve(address(ledger), type(uint256).max);
        open(10 ether);
        expectNothingClaimed(voucher, signature);
    }

    function test_replayByAnotherPayersName() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        bytes memory signature = sign(voucher);
        token.mint(bob, 10 ether);
        vm.startPrank(bob);
        token.approve(address(ledger), 10 ether);
        ledger.deposit(bob, 10 ether);
        ledger.authorize(session, 10 ether, expiry);
        vm.stopPrank();
        voucher.payer = bob;
        expectNothingClaimed(voucher, signature);
        assertEq(ledger.remainingOf(bob, session), 10 ether);
    }

    function test_sameVoucherTwicePaysOnce() public {
        open(10 ether);
        assertEq(claim(pay(alice, 1 ether)), 1 ether);
        assertEq(claim(pay(alice, 1 ether)), 0);
        assertEq(claimedOf(alice), 1 ether);
        assertEq(spent(), 1 ether);
    }

    // ---------------------------------------------------------------------------------------- signatures

    function test_sMalleability() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(sessionKey, digestOf(voucher));
        assertEq(ledger.claim(voucher, abi.encodePacked(r, s, v)), 1 ether);
        bytes memory twin = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        assertEq(ledger.claim(voucher, twin), 0);
        assertEq(spent(), 1 ether);
    }

    function test_eip2098Twin() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        (bytes32 r, bytes32 vs) = vm.signCompact(sessionKey, digestOf(voucher));
        assertEq(ledger.claim(voucher, abi.encodePacked(r, vs)), 1 ether);
        assertEq(ledger.claim(voucher, sign(voucher)), 0);
        assertEq(spent(), 1 ether);
    }

    function test_twinOfAnAuthorizationSetsNothingAsideAgain() public {
        depositAll();
        bytes32 digest = authorizationDigest(payer, session, 2 ether, expiry);
        (bytes32 r, bytes32 vs) = vm.signCompact(payerKey, digest);
        ledger.authorizeBySig(payer, session, 2 ether, expiry, abi.encodePacked(r, vs));
        ledger.authorizeBySig(payer, session, 2 ether, expiry, signWith(payerKey, digest));
        assertEq(ledger.balanceOf(payer), FUNDS - 2 ether);
    }

    function test_signatureByTheZeroAddress() public {
        depositAll();
        vm.prank(payer);
        vm.expectRevert(IComputeLedger.ZeroAddress.selector);
        ledger.authorize(address(0), 10 ether, expiry);
        vm.expectRevert(IComputeLedger.ZeroAddress.selector);
        ledger.openGate(address(0), 1 days);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(address(0), session, 0, expiry, new bytes(65));
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.claim(voucher, new bytes(65)); // r = s = v = 0 recovers to zero
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.claim(voucher, "");
        voucher.payer = address(0);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.claim(voucher, new bytes(64));
    }

    /// Whatever the bytes, only the session key's own signature moves money.
    function test_randomSignatures(bytes calldata signature, bytes32 r, bytes32 s, uint8 v) public {
        open(10 ether);
        IComputeLedger.Voucher[] memory vouchers = new IComputeLedger.Voucher[](2);
        (vouchers[0], vouchers[1]) = (pay(alice, 1 ether), pay(alice, 2 ether));
        bytes[] memory signatures = new bytes[](2);
        (signatures[0], signatures[1]) = (signature, abi.encodePacked(r, s, v));
        assertEq(ledger.claimBatch(vouchers, signatures), 0);
        assertEq(spent(), 0);
    }

    function test_erc1271PayerThatRevokesMidway() public {
        ContractWallet wallet = new ContractWallet(payer);
        vm.prank(payer);
        ledger.deposit(address(wallet), 10 ether);
        bytes memory signature = signWith(payerKey, authorizationDigest(address(wallet), session, 10 ether, expiry));
        ledger.authorizeBySig(address(wallet), session, 10 ether, expiry, signature);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        voucher.payer = address(wallet);
        ledger.claim(voucher, sign(voucher));
        // From here on the wallet denies every signature. What it set aside stays set aside: the key alone speaks for it.
        wallet.revokeAll();
        voucher.payments[0].cumulative = 4 ether;
        assertEq(ledger.claim(voucher, sign(voucher)), 3 ether);
        signature = signWith(payerKey, authorizationDigest(address(wallet), session, 11 ether, expiry));
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(address(wallet), session, 11 ether, expiry, signature);
    }

    function test_erc1271PayerRevokesByItsOwnCall() public {
        ContractWallet wallet = new ContractWallet(payer);
        vm.prank(payer);
        ledger.deposit(address(wallet), 10 ether);
        bytes memory signature = signWith(payerKey, authorizationDigest(address(wallet), session, 10 ether, expiry));
        ledger.authorizeBySig(address(wallet), session, 10 ether, expiry, signature);
        vm.prank(address(wallet));
        ledger.revoke(session);
        IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
        voucher.payer = address(wallet);
        assertEq(ledger.claim(voucher, sign(voucher)), 1 ether); // its claim window has only begun
        vm.expectRevert(IComputeLedger.AuthorizationClosed.selector);
        ledger.authorizeBySig(address(wallet), session, 10 ether, expiry, signature);
    }

    /// ERC-6492 wraps signatures of wallets not deployed yet. They count once the wallet is there, unwrapped; never before.
    function test_erc6492Undeployed() public {
        address undeployed = makeAddr("undeployed wallet");
        vm.prank(payer);
        ledger.deposit(undeployed, 10 ether);
        bytes memory inner = signWith(payerKey, authorizationDigest(undeployed, session, 10 ether, expiry));
        bytes32 magic = 0x6492649264926492649264926492649264926492649264926492649264926492;
        bytes memory wrapped = bytes.concat(abi.encode(address(this), bytes("deploy"), inner), magic);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(undeployed, session, 10 ether, expiry, wrapped);
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(undeployed, session, 10 ether, expiry, inner);
        vm.etch(undeployed, address(new ContractWallet(payer)).code);
        vm.store(undeployed, 0, bytes32(uint256(uint160(payer))));
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(undeployed, session, 10 ether, expiry, wrapped);
        ledger.authorizeBySig(undeployed, session, 10 ether, expiry, inner);
        assertEq(ledger.remainingOf(undeployed, session), 10 ether);
    }

    // ---------------------------------------------------------------------------------------- amounts

    function test_cumulativeRegress() public {
        open(10 ether);
        claim(pay(alice, 5 ether));
        assertEq(claim(pay(alice, 3 ether)), 0);
        assertEq(claimedOf(alice), 5 ether);
    }

    function test_cumulativeEqual() public {
        open(10 ether);
        claim(pay(alice, 5 ether));
        assertEq(claim(pay(alice, 5 ether, bob, 1 ether)), 1 ether);
        assertEq(claimedOf(alice), 5 ether);
    }

    function test_cumulativeOverflow() public {
        open(10 ether);
        claim(pay(alice, 1 ether));
        uint96 most = type(uint96).max;
        IComputeLedger.Voucher memory voucher = list(2);
        voucher.payments[0] = IComputeLedger.Payment(alice, most);
        voucher.payments[1] = IComputeLedger.Payment(bob, most);
        voucher.total = most;
        assertEq(claim(voucher), 9 ether);
        assertEq(claimedOf(alice), 10 ether);
        assertEq(claimedOf(bob), 0);
        assertEq(spent(), 10 ether);
        assertEq(claim(voucher), 0);
    }

    /// A cap of which the sum would not fit is refused with the payment, so the payer keeps it.
    function test_capOverflowThroughAGate() public {
        AIC supply = token;
        open(10 ether);
        address gate = ledger.openGate(session, 1 days);
        uint256 much = uint256(type(uint96).max) - 5 ether;
        vm.mockCall(address(supply), abi.encodeWithSelector(supply.balanceOf.selector, gate), abi.encode(much));
        supply.mint(payer, 1 ether);
        vm.expectRevert();
        vm.prank(payer);
        supply.transferAndCall(gate, 1 ether);
        vm.clearMockedCalls();
        assertEq(supply.balanceOf(payer), 1 ether);
        assertEq(ledger.remainingOf(payer, session), 10 ether);
    }

    function test_samePayeeTwiceInAVoucher() public {
        open(10 ether);
        assertEq(claim(pay(alice, 3 ether, alice, 3 ether)), 3 ether);
        assertEq(claim(pay(alice, 4 ether, alice, 5 ether)), 2 ether);
        assertEq(claim(pay(alice, 7 ether, alice, 1 ether)), 2 ether);
        assertEq(claimedOf(alice), 7 ether);
        assertEq(spent(), 7 ether);
    }

    function test_sumOfMicroChargesEqualsCumulative(uint96[20] calldata charges) public {
        open(uint96(FUNDS));
        uint96 cumulative = 0;
        uint256 claimed = 0;
        for (uint256 i = 0; i < charges.length; ++i) {
            cumulative += charges[i] % 1_000_003; // wei
            if (charges[i] % 3 == 0) claimed += claim(pay(alice, cumulative)); // not every voucher is handed in
        }
        claimed += claim(pay(alice, cumulative));
        assertEq(claimed, cumulative);
        assertEq(claimedOf(alice), cumulative);
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), cumulative);
    }

    function test_payerIsPayee() public {
        open(10 ether);
        assertEq(claim(pay(payer, 4 ether)), 4 ether);
        assertEq(owed(), FUNDS);
        vm.prank(payer);
        ledger.payOut(payer, channel());
        assertEq(token.balanceOf(payer), 4 ether);
        assertEq(token.balanceOf(address(ledger)), FUNDS - 4 ether);
        assertEq(owed(), FUNDS - 4 ether);
    }

    // ---------------------------------------------------------------------------------------- covering

    /// Vouchers over more than the cap draw the cap, in the order they are handed in; a payee reads what is left before it works.
    function test_overCommitThenWithdraw() public {
        open(10 ether);
        IComputeLedger.Voucher memory toAlice = pay(alice, 8 ether);
        IComputeLedger.Voucher memory toBob = pay(bob, 8 ether);
        vm.startPrank(payer);
        ledger.withdraw(FUNDS - 10 ether, payer); // all that is free
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.InsufficientBalance.selector, 0, 1));
        ledger.withdraw(1, payer);
        ledger.revoke(session);
        vm.expectRevert();
        ledger.release(payer, session);
        vm.stopPrank();
        assertEq(ledger.remainingOf(payer, session), 10 ether);
        assertEq(claim(toAlice), 8 ether);
        assertEq(ledger.remainingOf(payer, session), 2 ether);
        assertEq(claim(toBob), 2 ether);
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 8 ether);
        vm.prank(bob);
        assertEq(ledger.payOut(bob, channel()), 2 ether);
    }

    /// Another session key of the same payer cannot draw what was set aside for this one.
    function test_overCommitByAnotherSessionKey() public {
        open(10 ether);
        (address other, uint256 otherKey) = makeKey("other session");
        vm.prank(payer);
        ledger.authorize(other, 1 ether, expiry);
        IComputeLedger.Voucher memory voucher = pay(bob, 500 ether);
        assertEq(ledger.claim(voucher, signWith(otherKey, digestOf(voucher))), 1 ether);
        assertEq(ledger.remainingOf(payer, session), 10 ether);
        assertEq(claim(pay(alice, 10 ether)), 10 ether);
    }

    /// However the payer ends an authorization, its money stays for at least the claim window.
    function test_withdrawDelayIsAtLeastTheClaimWindow(uint256 when, bool isRevoked) public {
        open(10 ether);
        uint256 start = block.timestamp;
        skip(bound(when, 0, 30 days));
        uint256 ends = expiry;
        if (isRevoked) {
            vm.prank(payer);
            ledger.revoke(session);
            if (block.timestamp < ends) ends = block.timestamp;
        }
        assertGe(ends, start);
        if (block.timestamp < ends + WINDOW) {
            vm.expectRevert(abi.encodeWithSelector(IComputeLedger.ClaimWindowOpen.selector, ends + WINDOW));
            ledger.release(payer, session);
            vm.warp(ends + WINDOW - 1);
            assertEq(claim(pay(alice, 1 ether)), 1 ether);
            skip(1);
        }
        ledger.release(payer, session);
    }

    function test_payeeIsNotHurtByAPayerThatClosesEarly() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 10 ether);
        vm.startPrank(payer);
        ledger.revoke(session);
        ledger.revoke(session);
        vm.expectRevert(IComputeLedger.AuthorizationClosed.selector);
        ledger.authorize(session, 10 ether, expiry);
        vm.stopPrank();
        skip(WINDOW - 1);
        assertEq(claim(voucher), 10 ether);
    }

    /// Closing by an old state takes nothing from a payee: what was claimed is no longer the payer's to get back.
    function test_staleStateClose() public {
        open(10 ether);
        IComputeLedger.Voucher memory old = pay(alice, 2 ether);
        claim(old);
        claim(pay(alice, 7 ether));
        claim(old);
        afterWindow();
        bytes memory late = sign(pay(alice, 9 ether));
        assertEq(ledger.release(payer, session), 3 ether);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.ClaimWindowOver.selector, block.timestamp));
        ledger.claim(pay(alice, 9 ether), late);
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 7 ether);
    }

    /// Nobody is needed to hand in a voucher: the payee itself can, and so can anyone it gives the voucher to.
    function test_relayWithholdingVouchers() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 2 ether);
        bytes memory signature = sign(voucher);
        vm.warp(uint256(expiry) + WINDOW - 1);
        vm.prank(alice);
        assertEq(ledger.claimAndPayOut(voucher, signature, alice), 2 ether);
        assertEq(token.balanceOf(alice), 2 ether);
    }

    // ---------------------------------------------------------------------------------------- griefing

    function test_dustFundingDoesNotResetTheTimer() public {
        open(10 ether);
        vm.prank(payer);
        ledger.revoke(session);
        uint256 until = block.timestamp + WINDOW;
        token.mint(stranger, 10);
        address gate = ledger.openGate(session, 400 days);
        vm.startPrank(stranger);
        token.approve(address(ledger), 10);
        ledger.deposit(payer, 1);
        token.transferAndCall(address(ledger), 1, abi.encode(payer));
        token.transferAndCall(gate, 1, abi.encode(payer)); // counts for the stranger, whatever its data says
        vm.expectRevert(IComputeLedger.BadSignature.selector);
        ledger.authorizeBySig(payer, session, 20 ether, expiry + 1, new bytes(65));
        vm.stopPrank();
        assertEq(uint256(ledger.authorizationOf(payer, session).expiry) + WINDOW, until);
        vm.warp(until);
        assertEq(ledger.release(payer, session), 10 ether);
    }

    function test_dustThroughAGateDoesNotExtendAnothersExpiry() public {
        open(10 ether);
        address gate = ledger.openGate(session, 400 days);
        token.mint(stranger, 10);
        vm.startPrank(stranger);
        token.transferAndCall(gate, 1);
        token.transfer(gate, 5);
        // Moving nothing needs no allowance; neither does it with money of the stranger lying in the gate.
        vm.expectRevert(IComputeLedger.NothingPaid.selector);
        token.transferFromAndCall(payer, gate, 0);
        vm.expectRevert();
        token.transferFromAndCall(payer, gate, 1);
        vm.stopPrank();
        assertEq(uint256(ledger.authorizationOf(payer, session).expiry), expiry);
        assertEq(uint256(ledger.authorizationOf(stranger, session).cap), 1);
    }

    function test_releaseByAStrangerBeforeTheEndIsRefused() public {
        open(10 ether);
        vm.expectRevert();
        vm.prank(stranger);
        ledger.release(payer, session);
    }

    /// A word beyond its type is no address and no amount, whoever signed it.
    function test_wordsBeyondTheirTypeAreRefused() public {
        open(10 ether);
        for (uint256 i = 0; i < 2; ++i) {
            IComputeLedger.Voucher memory voucher = pay(alice, 1 ether);
            (bytes32 first, bytes32 second) = (bytes32(uint256(uint160(alice))), bytes32(uint256(1 ether)));
            if (i == 0) first |= bytes32(uint256(1) << 160);
            else second |= bytes32(uint256(1) << 96);
            bytes memory data = abi.encodeCall(ledger.claim, (voucher, signDirty(first, second)));
            uint256 at = 4 + 32 * 6; // selector, two offsets, payer, total, offset and length of the payments
            assembly {
                mstore(add(add(data, 0x20), at), first)
                mstore(add(add(data, 0x40), at), second)
            }
            (bool ok, bytes memory reason) = address(ledger).call(data);
            assertFalse(ok);
            assertEq(reason.length, 0);
            assertEq(spent(), 0);
        }
    }

    /// Whoever is first to hand in a voucher, only the payee is paid, and the payee's own call still goes through.
    function test_claimFrontRunByAThirdParty() public {
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(alice, 2 ether);
        bytes memory signature = sign(voucher);
        vm.startPrank(stranger);
        assertEq(ledger.claim(voucher, signature), 2 ether);
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.NoPayout.selector, alice));
        ledger.claimAndPayOut(voucher, signature, alice);
        assertEq(ledger.payOut(stranger, channel()), 0);
        assertEq(ledger.claimAndPayOut(voucher, signature, stranger), 0);
        vm.stopPrank();
        assertEq(token.balanceOf(stranger), 0);
        vm.prank(alice);
        assertEq(ledger.claimAndPayOut(voucher, signature, alice), 2 ether);
    }

    function test_batchWithOneBadVoucher() public {
        open(10 ether);
        IComputeLedger.Voucher[] memory vouchers = new IComputeLedger.Voucher[](6);
        bytes[] memory signatures = new bytes[](6);
        for (uint256 i = 0; i < 6; ++i) {
            vouchers[i] = pay(address(uint160(100 + i)), 1 ether);
            signatures[i] = sign(vouchers[i]);
        }
        signatures[1] = hex"00"; // no signature
        vouchers[2].payer = stranger; // somebody else
        vouchers[3].payments[0].cumulative = 2 ether; // not what was signed
        (vouchers[4], signatures[4]) = (vouchers[0], signatures[0]); // old
        vm.recordLogs();
        assertEq(ledger.claimBatch(vouchers, signatures), 2 ether);
        assertEq(claimedOf(address(100)), 1 ether);
        assertEq(claimedOf(address(105)), 1 ether);
        assertEq(vm.getRecordedLogs().length, 6); // four skipped, two claimed
        assertEq(spent(), 2 ether);
    }

    function test_batchSaysWhichVoucherItSkipped() public {
        open(10 ether);
        IComputeLedger.Voucher[] memory vouchers = new IComputeLedger.Voucher[](1);
        vouchers[0] = pay(alice, 1 ether);
        vm.expectEmit(address(ledger));
        emit IComputeLedger.VoucherSkipped(0);
        ledger.claimBatch(vouchers, new bytes[](1));
    }

    function test_batchAfterTheClaimWindow() public {
        open(10 ether);
        IComputeLedger.Voucher[] memory vouchers = new IComputeLedger.Voucher[](1);
        vouchers[0] = pay(alice, 1 ether);
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = sign(vouchers[0]);
        afterWindow();
        assertEq(ledger.claimBatch(vouchers, signatures), 0);
        ledger.release(payer, session);
        assertEq(ledger.claimBatch(vouchers, signatures), 0);
    }

    function test_permitFrontRun() public {
        vm.prank(payer);
        token.approve(address(ledger), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(7 ether);
        vm.prank(stranger);
        token.permit(payer, address(ledger), 7 ether, block.timestamp, v, r, s);
        vm.prank(payer);
        ledger.depositWithPermit(payer, 7 ether, block.timestamp, v, r, s);
        assertEq(ledger.balanceOf(payer), 7 ether);
    }

    /// A stranger that holds the payer's permit can only hand it in: the money pulled is always the caller's.
    function test_permitOfAnotherDepositsNothing() public {
        vm.prank(payer);
        token.approve(address(ledger), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(7 ether);
        vm.expectRevert();
        vm.prank(stranger);
        ledger.depositWithPermit(stranger, 7 ether, block.timestamp, v, r, s);
        assertEq(token.balanceOf(payer), FUNDS);
    }

    // ---------------------------------------------------------------------------------------- the token

    function test_blacklistedReceiver() public {
        BlacklistToken odd = new BlacklistToken();
        use(address(odd));
        open(10 ether);
        claim(pay(alice, 2 ether, bob, 3 ether));
        odd.blacklist(alice, true);
        vm.prank(alice);
        vm.expectRevert();
        ledger.payOut(alice, channel());
        vm.prank(bob); // nobody else is held up
        assertEq(ledger.payOut(bob, channel()), 3 ether);
        setPayout(alice, carol); // and alice is paid elsewhere
        assertEq(ledger.payOut(alice, channel()), 2 ether);
        assertEq(odd.balanceOf(carol), 2 ether);
    }

    function test_blacklistedPayerStillPays() public {
        BlacklistToken odd = new BlacklistToken();
        use(address(odd));
        open(10 ether);
        odd.blacklist(payer, true);
        claim(pay(alice, 2 ether));
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 2 ether);
        vm.prank(payer);
        ledger.withdraw(1 ether, carol);
        assertEq(odd.balanceOf(carol), 1 ether);
    }

    function test_feeOnTransferToken() public {
        use(address(new FeeToken()));
        vm.expectRevert(abi.encodeWithSelector(IComputeLedger.AmountMismatch.selector, 99 ether, 100 ether));
        vm.prank(payer);
        ledger.deposit(payer, 100 ether);
        assertEq(ledger.balanceOf(payer), 0);
    }

    function test_noReturnToken() public {
        NoReturnToken odd = new NoReturnToken();
        use(address(odd));
        open(10 ether);
        claim(pay(alice, 2 ether));
        vm.prank(alice);
        ledger.payOut(alice, channel());
        vm.prank(payer);
        ledger.withdraw(1 ether, payer);
        assertEq(odd.balanceOf(alice), 2 ether);
        assertEq(odd.balanceOf(payer), 1 ether);
        ledger.openGate(session, 1 days);
    }

    /// The ledger counts what it was given. Should a token take money away behind its back, what is left is paid to the wei and the
    /// rest reverts; no book is ever written for money that did not move.
    function test_rebasingToken() public {
        RebasingToken odd = new RebasingToken();
        use(address(odd));
        depositAll();
        odd.halve();
        vm.startPrank(payer);
        vm.expectRevert();
        ledger.withdraw(FUNDS, payer);
        assertEq(ledger.balanceOf(payer), FUNDS);
        ledger.withdraw(FUNDS / 2, payer);
        assertEq(odd.balanceOf(payer), FUNDS / 2);
        vm.expectRevert();
        ledger.withdraw(1, payer);
    }

    function test_hookTokenReentersDeposit() public {
        (HookToken odd, Reenterer attacker) = hooked();
        odd.mint(address(attacker), 20 ether);
        bytes memory again = abi.encodeCall(ledger.deposit, (address(attacker), 5 ether));
        attacker.prepare(address(ledger), again);
        assertFalse(attacker.run(abi.encodeCall(ledger.deposit, (address(attacker), 10 ether))));
        assertEq(ledger.balanceOf(address(attacker)), 0);
        assertEq(odd.balanceOf(address(attacker)), 20 ether);
    }

    function test_hookTokenReentersWithdraw() public {
        (HookToken odd, Reenterer attacker) = hooked();
        depositAll(); // the payer's money is what the attacker is after
        odd.mint(address(attacker), 10 ether);
        attacker.prepare(address(ledger), "");
        assertTrue(attacker.run(abi.encodeCall(ledger.deposit, (address(attacker), 10 ether))));
        bytes memory again = abi.encodeCall(ledger.withdraw, (10 ether, address(attacker)));
        attacker.prepare(address(ledger), again);
        assertTrue(attacker.run(again));
        assertTrue(attacker.didAttack());
        assertFalse(attacker.attackSucceeded());
        assertEq(odd.balanceOf(address(attacker)), 10 ether);
        assertEq(odd.balanceOf(address(ledger)), FUNDS);
    }

    function test_hookTokenReentersPayOut() public {
        (HookToken odd, Reenterer attacker) = hooked();
        open(10 ether);
        claim(pay(address(attacker), 4 ether));
        bytes memory again = abi.encodeCall(ledger.payOut, (address(attacker), channel()));
        attacker.prepare(address(ledger), again);
        assertTrue(attacker.run(again));
        assertTrue(attacker.attackSucceeded()); // it was let in, and found nothing left
        assertEq(odd.balanceOf(address(attacker)), 4 ether);
    }

    function test_hookTokenReentersClaimAndPayOut() public {
        (HookToken odd, Reenterer attacker) = hooked();
        open(10 ether);
        IComputeLedger.Voucher memory voucher = pay(address(attacker), 4 ether);
        bytes memory again = abi.encodeCall(ledger.claimAndPayOut, (voucher, sign(voucher), address(attacker)));
        attacker.prepare(address(ledger), again);
        assertTrue(attacker.run(again));
        assertTrue(attacker.attackSucceeded());
        assertEq(odd.balanceOf(address(attacker)), 4 ether);
        assertEq(spent(), 4 ether);
    }

    function test_transferFromTheLedgerToItself() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        vm.startPrank(alice);
        vm.expectRevert(IComputeLedger.SelfAddress.selector);
        ledger.payOutAndCall(channel(), address(ledger), "");
        ledger.payOutAndCall(channel(), address(ledger), abi.encode(bob)); // earnings into bob's escrow
        vm.stopPrank();
        assertEq(ledger.balanceOf(bob), 4 ether);
        assertEq(token.balanceOf(address(ledger)), FUNDS);
        assertEq(owed(), FUNDS - 4 ether);
    }

    // ---------------------------------------------------------------------------------------- the machine

    function test_ethForceSend() public {
        open(10 ether);
        vm.deal(address(this), 2 ether);
        new Bomb{value: 1 ether}(payable(address(ledger)));
        assertEq(address(ledger).balance, 1 ether);
        (bool ok,) = address(ledger).call{value: 1 ether}("");
        assertFalse(ok);
        assertEq(claim(pay(alice, 4 ether)), 4 ether);
        vm.prank(alice);
        assertEq(ledger.payOut(alice, channel()), 4 ether);
        assertEq(owed(), FUNDS - 4 ether);
    }

    /// A plain transfer names no payer. It belongs to nobody and disturbs no book.
    function test_tokenForceSend() public {
        open(10 ether);
        token.mint(stranger, 5 ether);
        vm.prank(stranger);
        token.transfer(address(ledger), 5 ether);
        assertEq(owed(), FUNDS);
        token.mint(payer, 1 ether);
        vm.prank(payer);
        ledger.deposit(payer, 1 ether);
        assertEq(owed(), FUNDS + 1 ether);
    }

    function test_delegatecallIntoTheLedger() public {
        open(10 ether);
        claim(pay(alice, 4 ether));
        Delegator thief = new Delegator();
        vm.prank(alice);
        thief.run(address(ledger), abi.encodeCall(ledger.payOut, (alice, channel())));
        vm.prank(payer);
        thief.run(address(ledger), abi.encodeCall(ledger.withdraw, (1 ether, stranger)));
        assertEq(token.balanceOf(address(ledger)), FUNDS);
        assertEq(owed(), FUNDS);
    }

    function test_timestampEdges() public {
        open(10 ether);
        vm.warp(expiry);
        assertEq(claim(pay(alice, 1 ether)), 1 ether);
        vm.warp(uint256(expiry) + WINDOW - 1);
        assertEq(claim(pay(alice, 2 ether)), 1 ether);
        assertEq(ledger.remainingOf(payer, session), 8 ether);
        vm.warp(uint256(expiry) + WINDOW);
        assertEq(ledger.remainingOf(payer, session), 0);
        assertEq(ledger.release(payer, session), 8 ether);
    }

    /// The last second that uint40 can hold neither overflows nor wraps.
    function test_timestampAtTheEndOfTime() public {
        depositAll();
        vm.warp(uint256(type(uint40).max) - 400 days);
        vm.prank(payer);
        ledger.authorize(session, 10 ether, type(uint40).max);
        vm.warp(type(uint40).max);
        assertEq(claim(pay(alice, 1 ether)), 1 ether);
        vm.expectRevert(
            abi.encodeWithSelector(IComputeLedger.ClaimWindowOpen.selector, uint256(type(uint40).max) + WINDOW)
        );
        ledger.release(payer, session);
    }

    /// Loops run over the caller's own list only: another payee's long list costs nobody else anything.
    function test_unboundedLoops() public {
        open(uint96(FUNDS));
        IComputeLedger.Voucher memory long = list(400);
        for (uint256 i = 0; i < 400; ++i) {
            long.payments[i] = IComputeLedger.Payment(address(uint160(1000 + i)), 1);
        }
        assertEq(claim(long), 400);
        IComputeLedger.Voucher memory short = pay(alice, 1);
        bytes memory signature = sign(short);
        uint256 before = gasleft();
        ledger.claim(short, signature);
        assertLt(before - gasleft(), 60_000);
    }

    /// There is nobody who could pause, upgrade or take anything.
    function test_pausingNeverBlocksWithdrawals() public {
        string[4] memory powers = ["pause()", "owner()", "upgradeTo(address)", "transferOwnership(address)"];
        for (uint256 i = 0; i < powers.length; ++i) {
            (bool ok,) = address(ledger).call(abi.encodeWithSignature(powers[i], stranger));
            assertFalse(ok, powers[i]);
        }
        depositAll();
        vm.prank(payer);
        ledger.withdraw(FUNDS, payer);
    }

    /// Whoever reads only the events knows every balance.
    function test_eventsEqualState() public {
        vm.recordLogs();
        open(10 ether);
        address gate = ledger.openGate(session, 30 days);
        token.mint(payer, 2 ether);
        vm.prank(payer);
        token.transferAndCall(gate, 2 ether);
        claim(pay(alice, 4 ether, bob, 1 ether));
        vm.startPrank(payer);
        ledger.withdraw(3 ether, payer);
        ledger.revoke(session);
        vm.stopPrank();
        vm.prank(alice);
        ledger.payOut(alice, channel());
        address receiver = address(new Receiver());
        vm.prank(bob);
        ledger.payOutAndCall(channel(), receiver, "");
        skip(WINDOW);
        ledger.release(payer, session);

        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 free = 0;
        uint256 cap = 0;
        uint256 earned = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(ledger)) continue;
            bytes32 kind = logs[i].topics[0];
            if (kind == IComputeLedger.Deposited.selector) {
                free += abi.decode(logs[i].data, (uint256));
            } else if (kind == IComputeLedger.Withdrawn.selector) {
                free -= abi.decode(logs[i].data, (uint256));
            } else if (kind == IComputeLedger.Authorized.selector) {
                (uint96 newCap,) = abi.decode(logs[i].data, (uint96, uint40));
                free -= newCap - cap;
                cap = newCap;
            } else if (kind == IComputeLedger.Released.selector) {
                uint256 amount = abi.decode(logs[i].data, (uint256));
                (free, cap) = (free + amount, cap - amount);
            } else if (kind == IComputeLedger.Claimed.selector) {
                earned += abi.decode(logs[i].data, (uint256));
            } else if (kind == IComputeLedger.PaidOut.selector) {
                earned -= abi.decode(logs[i].data, (uint256));
            }
        }
        assertEq(free, ledger.balanceOf(payer));
        assertEq(cap, ledger.authorizationOf(payer, session).cap);
        assertEq(earned, 0);
        assertEq(free, token.balanceOf(address(ledger)));
    }

    // ---------------------------------------------------------------------------------------- means

    /// @dev The session key's signature of a voucher with one payment of these two words.
    function signDirty(bytes32 payee, bytes32 cumulative) internal view returns (bytes memory) {
        bytes32 payment =
            keccak256(abi.encode(keccak256("Payment(address payee,uint96 cumulative)"), payee, cumulative));
        bytes32 typeHash =
            keccak256("Voucher(address payer,uint96 total,Payment[] payments)Payment(address payee,uint96 cumulative)");
        bytes32 structHash = keccak256(abi.encode(typeHash, payer, 1 ether, keccak256(abi.encode(payment))));
        return signWith(sessionKey, typed(structHash, block.chainid, address(ledger)));
    }

    /// @dev In a batch it is skipped; alone it reverts, or credits nothing.
    function expectNothingClaimed(IComputeLedger.Voucher memory voucher, bytes memory signature) internal {
        IComputeLedger.Voucher[] memory vouchers = new IComputeLedger.Voucher[](1);
        bytes[] memory signatures = new bytes[](1);
        (vouchers[0], signatures[0]) = (voucher, signature);
        assertEq(ledger.claimBatch(vouchers, signatures), 0);
        vm.expectPartialRevert(IComputeLedger.UnknownAuthorization.selector);
        ledger.claim(voucher, signature);
    }

    /// @dev A ledger over another token, of which the payer has everything.
    function use(address odd) internal {
        ledger = new ComputeLedger(odd, accounts, WINDOW);
        IToken(odd).mint(payer, FUNDS);
        vm.prank(payer);
        IToken(odd).approve(address(ledger), type(uint256).max);
    }

    function hooked() internal returns (HookToken odd, Reenterer attacker) {
        odd = new HookToken();
        use(address(odd));
        attacker = new Reenterer(odd, address(ledger));
    }

    function permit(uint256 amount) internal view returns (uint8, bytes32, bytes32) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash =
            keccak256(abi.encode(typeHash, payer, address(ledger), amount, token.nonces(payer), block.timestamp));
        return vm.sign(payerKey, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash)));
    }
}
