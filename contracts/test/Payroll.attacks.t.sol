// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPayroll} from "../src/interfaces/IPayroll.sol";
import {Payroll} from "../src/Payroll.sol";
import {PayrollSetup} from "./support/PayrollSetup.sol";
import {BlacklistToken, FeeToken, HookToken, Reenterer, SilentToken} from "./support/PayrollTokens.sol";
import {PayrollTree, Tree} from "./support/PayrollTree.sol";

/// @title Every attack we know on a payroll by Merkle roots, each by its name
contract PayrollAttacksTest is PayrollSetup {
    using PayrollTree for Tree;

    address private constant RIVAL = address(0xbad);

    // ------------------------------------------------------------------------------------------------ proofs

    /// The 64 bytes under an inner node are shown as if they were a leaf, with the rest of the proof.
    function test_SixtyFourByteLeaf() public {
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = tree.levels[1][1];
        bytes memory call_ = abi.encodePacked(
            abi.encodeWithSelector(IPayroll.claim.selector, operator),
            tree.levels[0][0],
            tree.levels[0][1],
            bytes32(0),
            abi.encode(uint256(160), proof.length, proof[0])
        );
        (bool ok,) = address(payroll).call(call_);
        assertFalse(ok);
    }

    /// A leaf hashed once would be an inner node's hash for suitable words; hashed twice it is not.
    function test_SecondPreimage() public {
        IPayroll.Leaf memory leaf = IPayroll.Leaf(ANN, 100, address(0));
        bytes32 once = keccak256(abi.encode(leaf.account, leaf.cumulative, leaf.next));
        vm.prank(operator);
        payroll.propose(operator, PayrollTree.hashPair(once, once), 100, 1);
        skip(WINDOW);
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = once;
        vm.prank(ANN);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, proof);
    }

    /// The same account stands in the tree twice.
    function test_DuplicateLeaf() public {
        IPayroll.Leaf[] memory leaves = new IPayroll.Leaf[](4);
        leaves[0] = IPayroll.Leaf(address(0), 0, ANN);
        leaves[1] = IPayroll.Leaf(ANN, 100, ANN);
        leaves[2] = IPayroll.Leaf(ANN, 150, BEA);
        leaves[3] = IPayroll.Leaf(BEA, 500, address(0));
        Tree memory tree = PayrollTree.ofLeaves(leaves);
        _establish(tree);
        vm.startPrank(ANN);
        assertEq(payroll.claim(operator, leaves[1], tree.proof(1)), 100);
        assertEq(payroll.claim(operator, leaves[2], tree.proof(2)), 50);
        bytes32[] memory proof = tree.proof(1);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        payroll.claim(operator, leaves[1], proof);
        vm.stopPrank();
        assertEq(aic.balanceOf(ANN), 150);
    }

    function test_WrongDepthProof() public {
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        IPayroll.Leaf memory leaf = tree.leaves[1];
        bytes32[] memory right = tree.proof(1);
        bytes32[] memory short = new bytes32[](1);
        short[0] = right[1];
        bytes32[] memory long = new bytes32[](3);
        (long[0], long[1]) = (right[0], right[1]);
        bytes32[] memory backwards = new bytes32[](2);
        (backwards[0], backwards[1]) = (right[1], right[0]);

        vm.startPrank(ANN);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, new bytes32[](0));
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, short);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, long);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, backwards);
        assertEq(payroll.claim(operator, leaf, right), 100);
        vm.stopPrank();
    }

    /// The root of a tree of one leaf is the leaf's hash: an empty proof is right there, and only there.
    function test_RootGivenAsLeaf() public {
        IPayroll.Leaf[] memory leaves = new IPayroll.Leaf[](1);
        leaves[0] = IPayroll.Leaf(ANN, 100, address(0));
        _establish(PayrollTree.ofLeaves(leaves));
        vm.startPrank(ANN);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, IPayroll.Leaf(ANN, 101, address(0)), new bytes32[](0));
        assertEq(payroll.claim(operator, leaves[0], new bytes32[](0)), 100);
        vm.stopPrank();
    }

    // ------------------------------------------------------------------------------------------------ roots

    function test_CumulativeDecreaseOnRootRotation() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 199, 400);
        _propose(second);
        vm.expectEmit(address(payroll));
        emit IPayroll.Cancelled(operator, 2, second.root());
        _challengeFall(first, second, BEA);
        assertFalse(_isPending());
        assertEq(_claim(first, BEA), 200);
    }

    function test_TotalDecreaseOnRootRotation() public {
        _establish(_tree(100, 200, 300));
        Tree memory second = _tree(100, 199, 300);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.TotalFell.selector, 599, 600));
        payroll.propose(operator, second.root(), 599, 2);
    }

    /// Missing in the middle, at the end, and altogether.
    function test_OmittedAccount() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree[3] memory without = [_treeOfOne(CID, 600), _treeOfOne(ANN, 600), _treeOfOne(BETWEEN, 600)];
        address[3] memory omitted = [ANN, CID, BEA];
        for (uint256 i = 0; i < 3; i++) {
            _propose(without[i]);
            _challengeFall(first, without[i], omitted[i]);
            assertFalse(_isPending());
        }
    }

    function test_RootBeyondFunds() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.Underfunded.selector, 1000, 1001));
        payroll.propose(operator, bytes32(uint256(1)), 1001, 1);
    }

    /// A tree adds up to more than its operator said: it pays no more than that, and nobody else's money.
    function test_RootBeyondItsTotal() public {
        payroll.fund(RIVAL, 5000);
        Tree memory tree = _tree(100, 200, 300);
        tree.total = 350;
        _establish(tree);
        assertEq(_claim(tree, CID), 300);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = tree.evidence(ANN);
        vm.prank(ANN);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.Underfunded.selector, 350, 400));
        payroll.claim(operator, leaf, proof);
        assertEq(payroll.spentOf(operator), 300);
        assertEq(payroll.fundedOf(RIVAL), 5000);
    }

    /// One relay speaks for another, or publishes two roots for one epoch.
    function test_RootEquivocationBetweenRelays() public {
        payroll.fund(RIVAL, 1000);
        Tree memory ours = _tree(100, 200, 300);
        Tree memory theirs = _tree(500, 0, 0);
        vm.prank(RIVAL);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NotOperator.selector, RIVAL));
        payroll.propose(operator, theirs.root(), 500, 1);

        _propose(ours);
        vm.prank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.RootPending.selector, 1));
        payroll.propose(operator, theirs.root(), 600, 1);
        vm.prank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.RootPending.selector, 1));
        payroll.propose(operator, theirs.root(), 600, 2);

        _propose(RIVAL, theirs);
        skip(WINDOW);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = theirs.evidence(ANN);
        vm.startPrank(ANN);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, proof);
        payroll.claim(RIVAL, leaf, proof);
        vm.stopPrank();
        assertEq(payroll.spentOf(RIVAL), 500);
        assertEq(payroll.spentOf(operator), 0);
    }

    function test_ChallengeWindowBypass() public {
        Tree memory first = _tree(100, 200, 300);
        _propose(first);
        skip(WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.WindowOpen.selector, block.timestamp + 1));
        payroll.accept(operator);
        // Taken back and proposed again, it waits the whole window again.
        vm.prank(operator);
        payroll.cancel(operator);
        _propose(first);
        assertEq(payroll.pendingOf(operator).readyAt, block.timestamp + WINDOW);
        skip(1);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = first.evidence(ANN);
        vm.prank(ANN);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, proof);
    }

    /// A root that was cancelled lies in storage still; it must pay nobody, now or after its window.
    function test_CancelledRootIsClaimed() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        vm.prank(operator);
        payroll.cancel(operator);
        skip(WINDOW);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = tree.evidence(ANN);
        vm.prank(ANN);
        vm.expectRevert(IPayroll.BadProof.selector);
        payroll.claim(operator, leaf, proof);
        vm.expectRevert(IPayroll.NothingPending.selector);
        payroll.accept(operator);
    }

    /// A challenge comes when the root counts already: nothing that counts is ever undone.
    function test_ChallengeAfterTheWindow() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 199, 400);
        _propose(second);
        skip(WINDOW);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 200, 2);
        bytes memory signature = _sign(publisherKey, credit);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.WindowOver.selector, block.timestamp));
        this.challengeFallOf(first, second, BEA);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.WindowOver.selector, block.timestamp));
        this.challengeCreditOf(credit, signature, second);
    }

    /// Nobody knows the leaves of a pending root: the one before it pays everybody until the window ends.
    function test_WithheldLeaves() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        vm.prank(operator);
        payroll.propose(operator, keccak256("nobody knows what"), 600, 2);
        skip(WINDOW - 1);
        assertEq(_claim(first, ANN), 100);
        assertEq(_claim(first, BEA), 200);
        assertEq(_claim(first, CID), 300);
    }

    // ------------------------------------------------------------------------------------------------ credits

    function test_CreditOfAnotherChain() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 201, 1);
        bytes memory signature = _signFor(publisherKey, credit, block.chainid + 1, address(payroll));
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, signature, tree);
        // The chain forks: what was signed before belongs to one side only.
        signature = _sign(publisherKey, credit);
        uint256 home = block.chainid;
        vm.chainId(home + 1);
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, signature, tree);
        vm.chainId(home);
        _challengeCredit(credit, signature, tree);
    }

    function test_CreditOfAnotherContract() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 201, 1);
        bytes memory signature = _signFor(publisherKey, credit, block.chainid, address(ledger));
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, signature, tree);
    }

    function test_CreditOfAnotherOperator() public {
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        (address rival, uint256 rivalKey) = makeKey("rival");
        IPayroll.Credit memory credit = IPayroll.Credit(rival, BEA, 201, 1);
        bytes memory signature = _sign(rivalKey, credit);
        // Theirs stops nothing of ours: they have nothing pending, and they cannot sign for us.
        vm.expectRevert(IPayroll.NothingPending.selector);
        this.challengeCreditOf(credit, signature, tree);
        credit.operator = operator;
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, signature, tree);
        signature = _sign(rivalKey, credit);
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, signature, tree);
    }

    /// An operator without a publisher has the zero address there, which is also what a broken signature recovers to.
    function test_CreditSignedByNobody() public {
        vm.prank(operator);
        payroll.setPublisher(address(0));
        Tree memory tree = _tree(100, 200, 300);
        _propose(tree);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 201, 1);
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, new bytes(65), tree);
        vm.expectRevert(IPayroll.BadSignature.selector);
        this.challengeCreditOf(credit, "", tree);
        credit.operator = address(0);
        vm.expectRevert(IPayroll.NothingPending.selector);
        this.challengeCreditOf(credit, new bytes(65), tree);
    }

    /// A credit cancels a root once; shown again, or as its twin with the other s, it does not touch the corrected root.
    function test_CreditReplayedAgainstTheCorrectedRoot() public {
        Tree memory wrong = _tree(100, 200, 300);
        _propose(wrong);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 210, 1);
        bytes memory signature = _sign(publisherKey, credit);
        _challengeCredit(credit, signature, wrong);
        Tree memory corrected = _tree(100, 210, 300);
        _propose(corrected);
        vm.expectRevert(IPayroll.NoFault.selector);
        this.challengeCreditOf(credit, signature, corrected);
        vm.expectRevert(IPayroll.NoFault.selector);
        this.challengeCreditOf(credit, _twin(signature), corrected);
    }

    // ------------------------------------------------------------------------------------------------ claims

    function test_ClaimOnBehalfGoesToTheAccountOnly() public {
        vm.prank(ANN);
        accounts.setPayout(ANN, address(0xa11));
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = tree.evidence(ANN);
        vm.prank(RIVAL);
        payroll.claim(operator, leaf, proof);
        assertEq(aic.balanceOf(RIVAL), 0);
        assertEq(aic.balanceOf(address(0xa11)), 100);

        (leaf, proof) = tree.evidence(BEA);
        vm.prank(RIVAL);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NoPayout.selector, BEA));
        payroll.claim(operator, leaf, proof);
    }

    function test_ClaimTwice() public {
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        _claim(tree, ANN);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = tree.evidence(ANN);
        vm.prank(ANN);
        vm.expectRevert(IPayroll.NothingToClaim.selector);
        payroll.claim(operator, leaf, proof);
    }

    // ------------------------------------------------------------------------------------------------ forfeits

    function test_ForfeitBeyondTheHoldback() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 280, 310);
        _propose(second);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 80, 81));
        this.forfeitOf(first, second, BEA, 81);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 0, 1));
        this.forfeitOf(first, second, ANN, 1);
    }

    function test_ForfeitAfterTheWindow() public {
        Tree memory first = _tree(100, 200, 300);
        vm.expectRevert(IPayroll.NothingPending.selector);
        this.forfeitOf(first, first, BEA, 1);
        _propose(first);
        skip(WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.WindowOver.selector, block.timestamp));
        this.forfeitOf(first, first, BEA, 1);
    }

    function test_DoubleForfeit() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 280, 310);
        _propose(second);
        _forfeit(first, second, BEA, 80, 80);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 0, 80));
        this.forfeitOf(first, second, BEA, 80);
    }

    /// A faulty tree adds up to more than its total: forfeits end where the total does.
    function test_ForfeitBeyondTheTotal() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(190, 290, 300);
        second.total = 650;
        _propose(second);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 50, 90));
        this.forfeitOf(first, second, BEA, 90);
        _forfeit(first, second, BEA, 50, 0);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 0, 1));
        this.forfeitOf(first, second, ANN, 1);
    }

    /// A root that takes an amount back is for challenges: nothing in it is at risk for that account.
    function test_ForfeitFromAFallingAccount() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 150, 390);
        _propose(second);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.BeyondHoldback.selector, 0, 1));
        this.forfeitOf(first, second, BEA, 1);
    }

    function test_ForfeitGivesNoFault() public {
        Tree memory first = _tree(100, 200, 300);
        _establish(first);
        Tree memory second = _tree(100, 280, 300);
        _propose(second);
        _forfeit(first, second, BEA, 80, 0);
        vm.expectRevert(IPayroll.NoFault.selector);
        this.challengeFallOf(first, second, BEA);
        IPayroll.Credit memory credit = IPayroll.Credit(operator, BEA, 280, 2);
        bytes memory signature = _sign(publisherKey, credit);
        vm.expectRevert(IPayroll.NoFault.selector);
        this.challengeCreditOf(credit, signature, second);
    }

    /// The court takes from a pending root, its operator cancels it and leaves those earnings out of the next: the account would
    /// pay with money that was safe.
    function test_ForfeitThenLeftOut() public {
        Tree memory first = _treeOfOne(BEA, 200);
        Tree memory second = _tree(90, 280, 0);
        _propose(first);
        vm.prank(operator);
        payroll.cancel(operator);
        _establish(first);
        _propose(second);
        _forfeit(first, second, BEA, 80, 0);
        _forfeit(first, second, ANN, 90, 0);
        vm.prank(operator);
        payroll.cancel(operator);

        Tree memory third = _tree(90, 279, 1);
        _propose(third);
        _challengeFall(first, third, BEA);
        Tree memory fourth = _tree(89, 280, 1);
        _propose(fourth);
        _challengeFall(first, fourth, ANN);
        _propose(second);
        vm.expectRevert(IPayroll.NoFault.selector);
        this.challengeFallOf(first, second, ANN);
        skip(WINDOW);
        assertEq(_claim(second, BEA), 200);
    }

    /// The same before there is any root that counts.
    function test_ForfeitThenLeftOutOfTheFirstRoot() public {
        Tree memory first = _tree(100, 200, 300);
        _propose(first);
        _forfeit(first, first, BEA, 150, 0);
        vm.prank(operator);
        payroll.cancel(operator);
        Tree memory second = _tree(100, 149, 351);
        _propose(second);
        _challengeFall(first, second, BEA);
        assertFalse(_isPending());
    }

    // ------------------------------------------------------------------------------------------------ tokens

    /// While the token moves, its hook claims, takes funds out and funds again: each wei still moves once.
    function test_ReentrancyByAHookToken() public {
        HookToken token = new HookToken();
        Payroll hooked = new Payroll(address(token), accounts, ledger, court, WINDOW);
        Reenterer thief = new Reenterer();
        address me = address(thief);
        token.mint(address(this), 10_000);
        token.approve(address(hooked), 10_000);
        hooked.fund(RIVAL, 5000);
        hooked.fund(me, 300);

        Tree memory tree = _treeOfOne(me, 200);
        thief.run(address(hooked), abi.encodeCall(IPayroll.propose, (me, tree.root(), 200, 1)));
        skip(WINDOW);
        token.setHook(thief);
        bytes memory claim = abi.encodeCall(IPayroll.claim, (me, tree.leaves[1], tree.proof(1)));
        thief.plan(address(hooked), claim);
        thief.run(address(hooked), claim);
        assertEq(thief.reached(), 2);
        assertEq(thief.succeeded(), 0);
        assertEq(token.balanceOf(me), 200);

        bytes memory defund = abi.encodeCall(IPayroll.defund, (100, me));
        thief.plan(address(hooked), defund);
        thief.run(address(hooked), defund);
        assertEq(thief.succeeded(), 0);
        assertEq(token.balanceOf(me), 300);

        // Funding while funding would count the inner amount twice: the outer one fails.
        thief.run(address(token), abi.encodeCall(token.approve, (address(hooked), 10_000)));
        thief.plan(address(hooked), abi.encodeCall(IPayroll.fund, (me, 50)));
        vm.expectRevert(abi.encodeWithSelector(IPayroll.AmountMismatch.selector, 200, 100));
        hooked.fund(me, 100);
        token.setHook(Reenterer(address(0)));
        assertEq(token.balanceOf(address(hooked)), 5000);
        assertEq(hooked.fundedOf(RIVAL), 5000);
    }

    function test_TokenThatTakesAFee() public {
        FeeToken token = new FeeToken();
        Payroll other = new Payroll(address(token), accounts, ledger, court, WINDOW);
        token.mint(address(this), 100);
        token.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.AmountMismatch.selector, 99, 100));
        other.fund(operator, 100);
    }

    function test_TokenThatAnswersNothing() public {
        SilentToken token = new SilentToken();
        Payroll other = new Payroll(address(token), accounts, ledger, court, WINDOW);
        token.mint(address(this), 100);
        other.fund(operator, 100);
        vm.prank(operator);
        other.defund(40, RIVAL);
        assertEq(token.balanceOf(RIVAL), 40);
    }

    /// One account that cannot be paid holds up nobody else.
    function test_TokenThatRefusesAnAccount() public {
        BlacklistToken token = new BlacklistToken();
        payroll = new Payroll(address(token), accounts, ledger, court, WINDOW);
        token.mint(address(this), 1000);
        token.approve(address(payroll), 1000);
        payroll.fund(operator, 1000);
        token.list(ANN);
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        vm.expectRevert();
        this.claimOf(tree, ANN);
        assertEq(_claim(tree, BEA), 200);
        token.list(address(0));
        assertEq(_claim(tree, ANN), 100);
    }

    /// More than 2^96 wei at once, which AIC does not have.
    function test_TokenWithoutACap() public {
        HookToken token = new HookToken();
        Payroll other = new Payroll(address(token), accounts, ledger, court, WINDOW);
        token.mint(address(this), 1 << 97);
        token.approve(address(other), 1 << 97);
        vm.expectRevert();
        other.fund(operator, 1 << 96);
        other.fund(operator, (1 << 96) - 1);
        vm.expectRevert();
        other.fund(operator, 1);
    }

    /// Plain transfers and ether forced in belong to nobody, and change nothing for anybody.
    function test_DonationAndForcedEther() public {
        aic.transfer(address(payroll), 500);
        vm.deal(address(payroll), 1 ether);
        assertEq(payroll.fundedOf(operator), 1000);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.Underfunded.selector, 1000, 1001));
        payroll.defund(1001, operator);
        Tree memory tree = _tree(100, 200, 300);
        _establish(tree);
        assertEq(_claim(tree, CID), 300);
    }

    // ------------------------------------------------------------------------------------------------ powers

    /// A stolen publisher key can propose, and nothing else.
    function test_StolenPublisherKey() public {
        _propose(_tree(100, 200, 300));
        vm.startPrank(publisher);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.Underfunded.selector, 0, 1));
        payroll.defund(1, publisher);
        vm.expectRevert(abi.encodeWithSelector(IPayroll.NotOperator.selector, publisher));
        payroll.cancel(operator);
        payroll.setPublisher(RIVAL);
        vm.stopPrank();
        assertEq(payroll.publisherOf(operator), publisher);
    }

    // ------------------------------------------------------------------------------------------------ within

    /// @dev The other valid signature for the same digest: (27 + 28 - v, n - s).
    function _twin(bytes memory signature) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        return abi.encodePacked(r, bytes32(order - uint256(s)), uint8(55 - uint8(signature[64])));
    }

    function challengeFallOf(Tree memory current, Tree memory pending, address account) external {
        _challengeFall(current, pending, account);
    }

    function challengeCreditOf(IPayroll.Credit memory credit, bytes memory signature, Tree memory pending) external {
        _challengeCredit(credit, signature, pending);
    }

    function claimOf(Tree memory tree, address account) external returns (uint256) {
        return _claim(tree, account);
    }

    function forfeitOf(Tree memory current, Tree memory pending, address account, uint96 amount) external {
        _forfeit(current, pending, account, amount, 0);
    }
}
