// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIC} from "../../src/AIC.sol";
import {Accounts} from "../../src/Accounts.sol";
import {ComputeLedger} from "../../src/ComputeLedger.sol";
import {Payroll} from "../../src/Payroll.sol";
import {IPayroll} from "../../src/interfaces/IPayroll.sol";
import {PayrollTree, Tree} from "./PayrollTree.sol";
import {Test} from "./Test.sol";

/// @title The payroll among the real contracts around it, and one funded operator
abstract contract PayrollSetup is Test {
    using PayrollTree for Tree;

    uint40 internal constant WINDOW = 1 days;
    bytes32 internal constant VERDICT = keccak256("a verdict");

    AIC internal aic;
    Accounts internal accounts;
    ComputeLedger internal ledger;
    Payroll internal payroll;

    address internal operator;
    uint256 internal operatorKey;
    address internal publisher;
    uint256 internal publisherKey;
    address internal court = makeAddr("court");
    address internal payer = makeAddr("payer");

    // Three accounts in rising order, and one that falls between the first two.
    address internal constant ANN = address(0x1111);
    address internal constant BEA = address(0x2222);
    address internal constant CID = address(0x3333);
    address internal constant BETWEEN = address(0x1999);

    function setUp() public virtual {
        (operator, operatorKey) = makeKey("operator");
        (publisher, publisherKey) = makeKey("publisher");
        aic = new AIC(address(this), address(this), 1_000_000 ether);
        accounts = new Accounts();
        ledger = new ComputeLedger(address(aic), accounts, 1 days);
        payroll = new Payroll(address(aic), accounts, ledger, court, WINDOW);
        aic.approve(address(payroll), type(uint256).max);
        payroll.fund(operator, 1000);
        vm.prank(operator);
        payroll.setPublisher(publisher);
    }

    function _tree(uint96 ann, uint96 bea, uint96 cid) internal pure returns (Tree memory) {
        address[] memory who = new address[](3);
        (who[0], who[1], who[2]) = (ANN, BEA, CID);
        uint96[] memory amounts = new uint96[](3);
        (amounts[0], amounts[1], amounts[2]) = (ann, bea, cid);
        return PayrollTree.build(who, amounts);
    }

    function _treeOfOne(address account, uint96 amount) internal pure returns (Tree memory) {
        address[] memory who = new address[](1);
        who[0] = account;
        uint96[] memory amounts = new uint96[](1);
        amounts[0] = amount;
        return PayrollTree.build(who, amounts);
    }

    /// @dev The operator proposes the tree as its next root.
    function _propose(Tree memory tree) internal {
        _propose(operator, tree);
    }

    function _propose(address by, Tree memory tree) internal {
        uint32 epoch = payroll.currentOf(by).epoch + 1;
        vm.prank(by);
        payroll.propose(by, tree.root(), tree.total, epoch);
    }

    /// @dev Proposes the tree and waits until it counts.
    function _establish(Tree memory tree) internal {
        _propose(tree);
        skip(WINDOW);
    }

    /// @dev The account itself claims what the tree gives it.
    function _claim(Tree memory tree, address account) internal returns (uint256) {
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = tree.evidence(account);
        vm.prank(account);
        return payroll.claim(operator, leaf, proof);
    }

    function _challengeFall(Tree memory current, Tree memory pending, address account) internal {
        (IPayroll.Leaf memory before, bytes32[] memory beforeProof) = current.evidence(account);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = pending.evidence(account);
        payroll.challengeFall(operator, account, before, beforeProof, leaf, proof);
    }

    function _forfeit(Tree memory current, Tree memory pending, address account, uint96 amount, uint96 refund)
        internal
    {
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = pending.evidence(account);
        (IPayroll.Leaf memory before, bytes32[] memory beforeProof) = current.evidence(account);
        vm.prank(court);
        payroll.forfeit(operator, leaf, proof, before, beforeProof, amount, payer, refund, VERDICT);
    }

    function _challengeCredit(IPayroll.Credit memory credit, bytes memory signature, Tree memory pending) internal {
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = pending.evidence(credit.account);
        payroll.challengeCredit(credit, signature, leaf, proof);
    }

    function _sign(uint256 key, IPayroll.Credit memory credit) internal view returns (bytes memory) {
        return _signFor(key, credit, block.chainid, address(payroll));
    }

    /// @dev EIP-712 written out once more, by the words of IPayroll.
    function _signFor(uint256 key, IPayroll.Credit memory credit, uint256 chainId, address place)
        internal
        pure
        returns (bytes memory)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Vessel Payroll"),
                keccak256("1"),
                chainId,
                place
            )
        );
        bytes32 struct_ = keccak256(
            abi.encode(
                keccak256("PayrollCredit(address operator,address account,uint96 cumulative,uint32 epoch)"), credit
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked("\x19\x01", domain, struct_)));
        return abi.encodePacked(r, s, v);
    }

    function _isPending() internal view returns (bool) {
        return payroll.pendingOf(operator).epoch != 0;
    }
}
