// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IComputeLedger} from "../src/interfaces/IComputeLedger.sol";
import {IAccounts} from "../src/interfaces/IAccounts.sol";
import {IPayroll} from "../src/interfaces/IPayroll.sol";
import {Payroll} from "../src/Payroll.sol";
import {PayrollSetup} from "./support/PayrollSetup.sol";
import {PayrollTree, Tree} from "./support/PayrollTree.sol";

/// @title What the payroll does, state by state
contract PayrollTest is PayrollSetup {
    using PayrollTree for Tree;

    address private constant NOBODY = address(0x9999);

    function test_KnowsItsSurroundings() public view {
        assertEq(payroll.token(), address(aic));
        assertEq(address(payroll.accounts()), address(accounts));
        assertEq(address(payroll.ledger()), address(ledger));
        assertEq(payroll.court(), court);
        assertEq(payroll.window(), WINDOW);
        assertTrue(payroll.supportsInterface(type(IERC1363Receiver).interfaceId));
        assertTrue(payroll.supportsInterface(type(IERC165).interfaceId));
        assertFalse(payroll.supportsInterface(0xffffffff));
    }

    function test_NeedsATokenAccountsAndALedger() public {
        vm.expectRevert(IPayroll.ZeroAddress.selector);
        new Payroll(address(0), accounts, ledger, court, WINDOW);
        vm.expectRevert(IPayroll.ZeroAddress.selector);
        new Payroll(address(aic), IAccounts(address(0)), ledger, court, WINDOW);
        vm.expectRevert(IPayroll.ZeroAddress.selector);
        new Payroll(address(aic), accounts, IComputeLedger(address(0)), court, WINDOW);
    }

    // ------------------------------------------------------------------------------------------------ funds

    function test_FundTakesTheCallersTokens() public {
        vm.expectEmit(address(payroll));
        emit IPayroll.Funded(operator, address(this), 5);
        payroll.fund(operator, 5);
        assertEq(payroll.fundedOf(operator), 1005);
        assertEq(aic.balanceOf(address(payroll)), 1005);
    }

    function test_FundRefusesNobody() public {
        vm.expectRevert(IPayroll.ZeroAddress.selector);
        payroll.fund(address(0), 5);
    }

    function test_TransferAndCallCreditsTheSender() public {
        aic.transferAndCall(address(payroll), 7);
        assertEq(payroll.fundedOf(address(this)), 7);
    }

    function test_TransferAndCallCreditsTheOperatorInItsData() public {
        vm.expectEmit(address(payroll));
        emit IPayroll.Funded(operator, address(this), 7);
        aic.transferAndCall(address(payroll), 7, abi.encodePacked(operator));
        aic.transferAndCall(address(payroll), 8, abi.encode(operator));
        assertEq(payroll.fundedOf(operator), 1015);
    }

    function test_TransferAndCallRefusesOtherData() public {
        vm.expectRevert();
        aic.transferAndCall(address(payroll), 7, hex"01");
        vm.prank(address(aic));
        vm.expectRevert(IPayroll.BadData.selector);
        payroll.onTransferReceived(payer, payer, 7, hex"01");
    }

    function test_OnlyTheTokenReportsTransfers() public {
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NotToken.selector, address(this)));
        payroll.onTransferReceived(address(this), address(this), 7, "");
    }

    function test_DefundTakesWhatNoRootAllocates() public {
        _propose(_tree(100, 200, 300));
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.Underfunded.selector, 400, 401));
        payroll.defund(401, NOBODY);
        vm.expectEmit(address(payroll));
        emit IPayroll.Defunded(operator, NOBODY, 400);
        payroll.defund(400, NOBODY);
        vm.stopPrank();
        assertEq(aic.balanceOf(NOBODY), 400);
        assertEq(payroll.fundedOf(operator), 600);
    }

    function test_DefundKeepsWhatTheRootThatCountsAllocates() public {
        _establish(_tree(100, 200, 300));
        payroll.accept(operator);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.Underfunded.selector, 400, 401));
        payroll.defund(401, NOBODY);
        payroll.defund(400, NOBODY);
        vm.stopPrank();
        assertEq(_claim(_tree(100, 200, 300), CID), 300);
    }

    function test_DefundTakesBackWhatACancelledRootAllocated() public {
        _propose(_tree(100, 200, 300));
        vm.startPrank(operator);
        payroll.cancel(operator);
        payroll.defund(1000, NOBODY);
        vm.stopPrank();
        assertEq(aic.balanceOf(NOBODY), 1000);
    }

    function test_DefundRefusesAddressesWhereItWouldBeLost() public {
        vm.startPrank(operator);
        vm.expectRevert(IPayroll.ZeroAddress.selector);
        payroll.defund(1, address(0));
        vm.expectRevert(IPayroll.SelfAddress.selector);
        payroll.defund(1, address(payroll));
        vm.stopPrank();
    }

    // ------------------------------------------------------------------------------------------------ roots

    function test_ThePublisherProposes() public {
        Tree memory tree = _tree(100, 200, 300);
        uint40 readyAt = uint40(block.timestamp) + WINDOW;
        vm.expectEmit(address(payroll));
        emit IPayroll.Proposed(operator, 1, tree.root(), 600);
        vm.prank(publisher);
        payroll.propose(operator, tree.root(), 600, 1);

        IPayroll.Root memory pending = payroll.pendingOf(operator);
        assertEq(pending.root, tree.root());
        assertEq(pending.total, 600);
        assertEq(pending.epoch, 1);
        assertEq(pending.readyAt, readyAt);
        assertEq(payroll.currentOf(operator).epoch, 0);
        assertEq(payroll.currentOf(operator).root, bytes32(0));
    }

    function test_APublisherCanBeReplaced() public {
        vm.expectEmit(address(payroll));
        emit IPayroll.PublisherSet(operator, NOBODY);
        vm.prank(operator);
        payroll.setPublisher(NOBODY);
        assertEq(payroll.publisherOf(operator), NOBODY);
        vm.prank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NotOperator.selector, publisher));
        payroll.propose(operator, bytes32(uint256(1)), 0, 1);
    }

    function test_ARootMustNotBeEmpty() public {
        vm.prank(operator);
        vm.expectRevert(IPayroll.EmptyRoot.selector);
        payroll.propose(operator, 0, 0, 1);
    }

    function test_EpochsHaveNoGaps() public {
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.EpochNotNext.selector, 2, 1));
        payroll.propose(operator, bytes32(uint256(1)), 0, 2);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.EpochNotNext.selector, 0, 1));
        payroll.propose(operator, bytes32(uint256(1)), 0, 0);
        vm.stopPrank();
    }

    function test_ARootCountsFromTheSecondItsWindowEnds() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        uint40 readyAt = payroll.pendingOf(operator).readyAt;
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.WindowOpen.selector, readyAt));
        payroll.accept(operator);
        vm.warp(readyAt);
        assertEq(payroll.currentOf(operator).root, tree.root());
        assertEq(payroll.currentOf(operator).readyAt, 0);
        assertEq(payroll.pendingOf(operator).epoch, 0);
        vm.expectEmit(address(payroll));
        emit IPayroll.Accepted(operator, 1, tree.root());
        payroll.accept(operator);

        IPayroll.Root memory current = payroll.currentOf(operator);
        assertEq(current.root, tree.root());
        assertEq(current.total, 600);
        assertEq(current.epoch, 1);
        assertEq(current.readyAt, 0);
        assertEq(payroll.pendingOf(operator).epoch, 0);
    }

    function test_NothingPendingCannotBeAccepted() public {
        vm.expectRevert(IPayroll.NothingPending.selector);
        payroll.accept(operator);
    }

    function test_ANewProposalAcceptsTheOneWhoseWindowIsOver() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        vm.expectEmit(address(payroll));
        emit IPayroll.Accepted(operator, 1, first.root());
        _propose(_tree(100, 200, 400));
        assertEq(payroll.currentOf(operator).root, first.root());
        assertEq(payroll.pendingOf(operator).epoch, 2);
    }

    function test_TheOperatorTakesAPendingRootBack() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        vm.prank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NotOperator.selector, publisher));
        payroll.cancel(operator);
        vm.startPrank(operator);
        vm.expectEmit(address(payroll));
        emit IPayroll.Cancelled(operator, 1, tree.root());
        payroll.cancel(operator);
        vm.expectRevert(IPayroll.NothingPending.selector);
        payroll.cancel(operator);
        vm.stopPrank();
        _propose(_tree(1, 2, 3));
        assertEq(payroll.pendingOf(operator).epoch, 1);
    }

    function test_ARootThatCountsCannotBeTakenBack() public {
        _establish(_tree(100, 200, 300));
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.WindowOver.selector, block.timestamp));
        payroll.cancel(operator);
    }

    // ------------------------------------------------------------------------------------------------ challenges

    function test_AnHonestRootCannotBeChallenged() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 250, 300);
        _propose(second);
        address[4] memory all = [ANN, BEA, CID, BETWEEN];
        for (uint256 i = 0; i < 4; i++) {
            vm.expectRevert(IPayroll.NoFault.selector);
            this.challengeFallOf(first, second, all[i]);
        }
        assertTrue(_isPending());
    }

    function test_ChallengesNeedLeavesOfBothRoots() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 150, 400);
        _propose(second);
        vm.expectRevert(IPayroll.BadProof.selector);
        this.challengeFallOf(second, second, BEA);
        vm.expectRevert(IPayroll.BadProof.selector);
        this.challengeFallOf(first, first, BEA);
    }

    function test_ChallengesNeedTheLeafOfTheAccountOrTheOneThatLeadsPastIt() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 200, 300);
        _propose(second);
        (IPayroll.Leaf memory before, bytes32[] memory beforeProof) = first.evidence(BEA);
        for (uint256 i = 0; i < 4; i++) {
            if (i == 2) continue;
            bytes32[] memory proof = second.proof(i);
            vm.expectRevert(IPayroll.BadProof.selector);
            payroll.challengeFall(operator, BEA, before, beforeProof, second.leaves[i], proof);
        }
    }

    function test_ACreditThatIsHonouredCancelsNothing() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 200, 1);
        bytes memory signature = _sign(publisherKey, credit);
        vm.expectRevert(IPayroll.NoFault.selector);
        this.challengeCreditOf(credit, signature, tree);
    }

    function test_ACreditOfALaterEpochCancelsNothing() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 201, 2);
        bytes memory signature = _sign(operatorKey, credit);
        vm.expectRevert(IPayroll.NoFault.selector);
        this.challengeCreditOf(credit, signature, tree);
    }

    function test_ACreditOfTheEpochOrAnEarlierOneCancelsALowerRoot() public {
        _establish(_tree(100, 200, 300));
        Tree memory second = _tree(100, 250, 300);
        for (uint32 epoch = 0; epoch <= 2; epoch++) {
            _propose(second);
            IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 251, epoch);
            bytes memory signature = _sign(epoch == 1 ? operatorKey : publisherKey, credit);
            vm.expectEmit(address(payroll));
            emit IPayroll.Cancelled(operator, 2, second.root());
            _challengeCredit(credit, signature, second);
            assertFalse(_isPending());
        }
        assertEq(payroll.currentOf(operator).epoch, 1);
    }

    function test_ACreditForAnOmittedAccountCancelsTheRoot() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, address(0x4444), 1, 1);
        _challengeCredit(credit, _sign(publisherKey, credit), tree);
        assertFalse(_isPending());
    }

    function test_CreditsOfAFormerPublisherCancelNothing() public {
        vm.prank(operator);
        payroll.setPublisher(address(0));
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 201, 1);
        bytes memory signature = _sign(publisherKey, credit);
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, signature, tree);
    }

    // ------------------------------------------------------------------------------------------------ claims

    function test_ClaimPaysTheWholeAndLaterTheRest() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        vm.expectEmit(address(payroll));
        emit IPayroll.Claimed(operator, BEA, 200);
        assertEq(_claim(first, BEA), 200);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        this.claimOf(first, BEA);

        Tree memory second = _tree(100, 250, 300);
        _establish(second);
        assertEq(_claim(second, BEA), 50);
        assertEq(aic.balanceOf(BEA), 250);
        (uint96 paid, uint96 forfeited) = payroll.paidOf(operator, BEA);
        assertEq(paid, 250);
        assertEq(forfeited, 0);
        assertEq(payroll.spentOf(operator), 250);
        assertEq(payroll.currentOf(operator).epoch, 2);
    }

    function test_ClaimAcceptsARootWhoseWindowIsOver() public {
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        vm.expectEmit(address(payroll));
        emit IPayroll.Accepted(operator, 1, tree.root());
        _claim(tree, ANN);
        vm.expectRevert(IPayroll.NothingPending.selector);
        payroll.accept(operator);
    }

    function test_UntilARootIsAcceptedLeavesOfTheOneBeforeItPay() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        _claim(first, ANN);
        Tree memory second = _tree(150, 220, 300);
        _establish(second);
        assertEq(_claim(first, BEA), 200);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        this.claimOf(first, ANN);
        assertEq(payroll.currentOf(operator).epoch, 2);
        assertEq(_claim(second, BEA), 20);
        vm.expectRevert(IPayroll.BadProof.selector);
        this.claimOf(first, BEA);
        assertEq(_claim(second, ANN), 50);
    }

    function test_WhileARootIsPendingTheOneBeforeItPays() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(150, 200, 300);
        _propose(second);
        vm.expectRevert(IPayroll.BadProof.selector);
        this.claimOf(second, ANN);
        assertEq(_claim(first, ANN), 100);
    }

    function test_AnAccountWithoutPayoutAddressIsPaidOnlyByItself() public {
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = tree.evidence(ANN);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NoPayout.selector, ANN));
        payroll.claim(operator, leaf, proof);
        assertEq(_claim(tree, ANN), 100);
        assertEq(aic.balanceOf(ANN), 100);
    }

    function test_AnAccountWithAPayoutAddressIsPaidThereByAnyonesCall() public {
        vm.prank(ANN);
        accounts.setPayout(ANN, NOBODY);
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = first.evidence(ANN);
        payroll.claim(operator, leaf, proof);
        assertEq(aic.balanceOf(NOBODY), 100);

        Tree memory second = _tree(130, 200, 300);
        _establish(second);
        assertEq(_claim(second, ANN), 30);
        assertEq(aic.balanceOf(NOBODY), 130);
    }

    function test_APayoutAddressOfThePayrollItselfIsRefused() public {
        vm.prank(ANN);
        accounts.setPayout(ANN, address(payroll));
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        vm.expectRevert(IPayroll.SelfAddress.selector);
        this.claimOf(tree, ANN);
    }

    function test_TheFirstLeafPaysNobody() public {
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        this.claimOf(tree, address(0));
    }

    function test_NothingIsClaimedBeforeTheFirstRoot() public {
        Tree memory tree = _tree(100, 200, 300);
        vm.expectRevert(IPayroll.BadProof.selector);
        this.claimOf(tree, ANN);
        _propose(tree);
        vm.expectRevert(IPayroll.BadProof.selector);
        this.claimOf(tree, ANN);
    }

    // ------------------------------------------------------------------------------------------------ forfeits

    function test_ForfeitRefundsThePayerFirstAndBurnsTheRest() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 280, 300);
        _propose(second);
        uint256 supply = aic.totalSupply();

        vm.expectEmit(address(payroll));
        emit IPayroll.Forfeited(operator, BEA, 70, payer, 50, VERDICT);
        _forfeit(first, second, BEA, 70, 50);

        assertEq(ledger.balanceOf(payer), 50);
        assertEq(aic.totalSupply(), supply - 20);
        assertEq(aic.balanceOf(address(payroll)), 930);
        assertEq(payroll.spentOf(operator), 70);
        (uint96 paid, uint96 forfeited) = payroll.paidOf(operator, BEA);
        assertEq(paid, 0);
        assertEq(forfeited, 70);
    }

    function test_WhatTheLastRootGaveIsPaidWholeWhileAForfeitIsPending() public {
        (Tree memory first, Tree memory second) = _forfeited();
        assertEq(_claim(first, BEA), 200);
        skip(WINDOW);
        assertEq(_claim(second, BEA), 10);
        assertEq(aic.balanceOf(BEA), 210);
    }

    function test_WhatTheLastRootGaveIsPaidWholeThoughMuchWasForfeited() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 280, 300);
        _propose(second);
        _forfeit(first, second, BEA, 30, 0);
        _forfeit(first, second, BEA, 40, 0);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 10, 11));
        this.forfeitOf(first, second, BEA, 11, 0);
        assertEq(_claim(first, BEA), 200);
        skip(WINDOW);
        assertEq(_claim(second, BEA), 10);
    }

    function test_OneWeiIsBurntToo() public {
        Tree memory first = _tree(100, 200, 300);
        _propose(first);
        uint256 supply = aic.totalSupply();
        _forfeit(first, first, BEA, 1, 0);
        assertEq(aic.totalSupply(), supply - 1);
    }

    function test_WhatWasForfeitedIsTakenOffLaterClaims() public {
        (, Tree memory second) = _forfeited();
        skip(WINDOW);
        assertEq(_claim(second, BEA), 210);
        Tree memory third = _tree(100, 290, 300);
        _establish(third);
        assertEq(_claim(third, BEA), 10);
        assertEq(_claim(third, ANN), 100);
        assertEq(_claim(third, CID), 300);
        assertEq(payroll.spentOf(operator), 690);
        assertEq(aic.balanceOf(address(payroll)), 310);
    }

    function test_ForfeitsOfTwoEpochsAddUp() public {
        (, Tree memory second) = _forfeited();
        skip(WINDOW);
        Tree memory third = _tree(100, 300, 300);
        _propose(third);
        _forfeit(second, third, BEA, 20, 0);
        assertEq(_claim(second, BEA), 210);
        skip(WINDOW);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        this.claimOf(third, BEA);
        (, uint96 forfeited) = payroll.paidOf(operator, BEA);
        assertEq(forfeited, 90);
    }

    function test_EarningsOfTheFirstRootCanBeForfeited() public {
        Tree memory first = _tree(100, 200, 300);
        _propose(first);
        // There is no root before it: any leaf will do for what is ignored.
        _forfeit(first, first, BEA, 200, 200);
        assertEq(ledger.balanceOf(payer), 200);
        skip(WINDOW);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        this.claimOf(first, BEA);
        assertEq(_claim(first, CID), 300);
    }

    function test_EarningsOfANewAccountCanBeForfeited() public {
        Tree memory first = _treeOfOne(ANN, 100);
        _establish(first);
        Tree memory second = _tree(100, 50, 0);
        _propose(second);
        _forfeit(first, second, BEA, 50, 0);
        skip(WINDOW);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        this.claimOf(second, BEA);
    }

    function test_OnlyTheCourtForfeits() public {
        Tree memory first = _tree(100, 200, 300);
        _propose(first);
        vm.startPrank(operator);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = first.evidence(BEA);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NotCourt.selector, operator));
        payroll.forfeit(operator, leaf, proof, leaf, proof, 1, payer, 0, VERDICT);
        vm.stopPrank();
    }

    function test_NoMoreIsRefundedThanForfeited() public {
        Tree memory first = _tree(100, 200, 300);
        _propose(first);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.RefundTooLarge.selector, 11, 10));
        this.forfeitOf(first, first, BEA, 10, 11);
    }

    function test_ARefundNeedsAPayer() public {
        Tree memory first = _tree(100, 200, 300);
        _propose(first);
        payer = address(0);
        vm.expectRevert(IPayroll.ZeroAddress.selector);
        this.forfeitOf(first, first, BEA, 10, 10);
        _forfeit(first, first, BEA, 10, 0);
    }

    function test_ForfeitNeedsTheAccountsOwnLeaves() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 280, 300);
        _propose(second);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = second.evidence(BEA);
        (IPayroll.Leaf memory other, bytes32[] memory otherProof) = first.evidence(ANN);
        vm.startPrank(court);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.forfeit(operator, leaf, proof, other, otherProof, 1, payer, 0, VERDICT);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.forfeit(operator, leaf, otherProof, leaf, proof, 1, payer, 0, VERDICT);
        vm.stopPrank();
    }

    function test_ForfeitedMoneyStaysForfeitedWhenItsRootIsCancelled() public {
        (Tree memory first, Tree memory second) = _forfeited();
        vm.prank(operator);
        payroll.cancel(operator);
        // What was forfeited is allocated, so a total without it has fallen.
        assertEq(payroll.currentOf(operator).total, 670);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.Underfunded.selector, 330, 331));
        payroll.defund(331, operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.TotalFell.selector, 600, 670));
        this.proposeOf(first);

        assertEq(_claim(first, BEA), 200);
        _propose(second);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 10, 11));
        this.forfeitOf(first, second, BEA, 11, 0);
        skip(WINDOW);
        assertEq(_claim(second, BEA), 10);
        assertEq(_claim(second, ANN), 100);
        assertEq(_claim(second, CID), 300);
        assertEq(payroll.spentOf(operator), 680);
    }

    // ------------------------------------------------------------------------------------------------ fuzz

    /// Three epochs of any amounts: every account gets the last amount exactly, whenever it claims.
    function testFuzz_EveryAccountGetsItsCumulativeAmount(uint80[3][3] memory added, uint8[3] memory claimed) public {
        payroll.fund(operator, 900_000 ether);
        uint96[3] memory amounts;
        for (uint256 e = 0; e < 3; e++) {
            for (uint256 i = 0; i < 3; i++) amounts[i] += uint96(bound(added[e][i], 1, 100_000 ether));
            Tree memory tree = _tree(amounts[0], amounts[1], amounts[2]);
            _establish(tree);
            if (e == 2 || claimed[e] & 1 != 0) _claim(tree, ANN);
            if (e == 2 || claimed[e] & 2 != 0) _claim(tree, BEA);
            if (e == 2 || claimed[e] & 4 != 0) _claim(tree, CID);
        }
        assertEq(aic.balanceOf(ANN), amounts[0]);
        assertEq(aic.balanceOf(BEA), amounts[1]);
        assertEq(aic.balanceOf(CID), amounts[2]);
        assertEq(payroll.spentOf(operator), uint256(amounts[0]) + amounts[1] + amounts[2]);
    }

    /// Of what the pending root adds, any part can be forfeited, in any pieces; the account gets the rest to the wei.
    function testFuzz_ForfeitTakesExactlyWhatItSays(uint96 before, uint96 added, uint96 taken, uint96 again, uint96 refund)
        public
    {
        before = uint96(bound(before, 1, 400));
        added = uint96(bound(added, 1, 400));
        taken = uint96(bound(taken, 0, added));
        again = uint96(bound(again, 0, added));
        refund = uint96(bound(refund, 0, taken));
        Tree memory first = _tree(1, before, 1);
        _establish(first);
        Tree memory second = _tree(1, before + added, 1);
        _propose(second);
        _forfeit(first, second, BEA, taken, refund);
        if (again > added - taken) {
            vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, added - taken, again));
            this.forfeitOf(first, second, BEA, again, 0);
        } else {
            _forfeit(first, second, BEA, again, 0);
            taken += again;
        }
        skip(WINDOW);
        assertEq(_claim(second, BEA), before + added - taken);
        assertEq(ledger.balanceOf(payer), refund);
    }

    /// The root that counts pays whoever is in it and nobody else, whatever leaf is made up.
    function testFuzz_NoMadeUpLeafIsPaid(IPayroll.Leaf memory leaf, uint8 from) public {
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        bytes32[] memory proof = tree.proof(from % 4);
        vm.prank(leaf.account);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, proof);
    }

    // ------------------------------------------------------------------------------------------------ within

    /// @dev 70 of the 80 that the second root adds for Bea are forfeited, and it is still pending.
    function _forfeited() private returns (Tree memory first, Tree memory second) {
        first = _tree(100, 200, 300);
        _establish(first);
        second = _tree(100, 280, 300);
        _propose(second);
        _forfeit(first, second, BEA, 70, 50);
    }

    // Called through `this`, so that the revert expected is of the whole and not of a view inside.

    function challengeFallOf(Tree memory current, Tree memory pending, address account) external {
        _challengeFall(current, pending, account);
    }

    function challengeCreditOf(IPayroll.Credit memory credit, bytes memory signature, Tree memory pending) external {
        _challengeCredit(credit, signature, pending);
    }

    function claimOf(Tree memory tree, address account) external returns (uint256) {
        return _claim(tree, account);
    }

    function forfeitOf(Tree memory current, Tree memory pending, address account, uint96 amount, uint96 refund)
        external
    {
        _forfeit(current, pending, account, amount, refund);
    }

    function proposeOf(Tree memory tree) external {
        _propose(tree);
    }
}
