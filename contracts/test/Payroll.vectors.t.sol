// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPayroll} from "../src/interfaces/IPayroll.sol";
import {PayrollSetup} from "./support/PayrollSetup.sol";
import {PayrollTree, Tree} from "./support/PayrollTree.sol";

/// @title Trees, roots and proofs computed in TypeScript count on chain
contract PayrollVectorsTest is PayrollSetup {
    using PayrollTree for Tree;

    uint256 private constant VECTORS = 9;
    string private _json;

    function setUp() public override {
        super.setUp();
        _json = vm.readFile("shared/receipts/payroll-vectors.json");
        aic.mint(address(this), 9_999_000_000 ether);
    }

    function test_BothLanguagesBuildTheSameTree() public view {
        for (uint256 v = 0; v < VECTORS; v++) {
            Tree memory tree = _read(v);
            address[] memory accounts_ = new address[](tree.leaves.length - 1);
            uint96[] memory amounts = new uint96[](tree.leaves.length - 1);
            for (uint256 i = 0; i < amounts.length; i++) {
                (accounts_[i], amounts[i]) = (tree.leaves[i + 1].account, tree.leaves[i + 1].cumulative);
            }
            Tree memory built = PayrollTree.build(accounts_, amounts);
            assertEq(built.root(), vm.parseJsonBytes32(_json, _key(v, ".root")));
            assertEq(built.total, vm.parseJsonUint(_json, _key(v, ".total")));
            for (uint256 i = 0; i < tree.leaves.length; i++) {
                assertEq(built.leaves[i].next, tree.leaves[i].next);
                assertEq(abi.encode(built.proof(i)), abi.encode(_proof(v, i)));
            }
        }
        assertFalse(vm.keyExistsJson(_json, _key(VECTORS, ".root")), "a vector is not tested");
    }

    function test_EveryAccountClaimsByItsProof() public {
        uint256 clean = vm.snapshotState();
        for (uint256 v = 0; v < VECTORS; v++) {
            Tree memory tree = _read(v);
            _put(v, tree.total);
            skip(WINDOW);
            for (uint256 i = 1; i < tree.leaves.length; i++) {
                vm.prank(tree.leaves[i].account);
                assertEq(payroll.claim(operator, tree.leaves[i], _proof(v, i)), tree.leaves[i].cumulative);
            }
            assertEq(payroll.spentOf(operator), tree.total);
            vm.revertToState(clean);
        }
    }

    function test_TheMissingAccountIsProvenMissing() public {
        uint256 clean = vm.snapshotState();
        for (uint256 v = 0; v < VECTORS; v++) {
            Tree memory tree = _read(v);
            _put(v, tree.total);
            address missing = vm.parseJsonAddress(_json, _key(v, ".missing"));
            uint256 leaf = vm.parseJsonUint(_json, _key(v, ".missingAt"));
            IPayroll.Credit memory credit = IPayroll.Credit(operator, missing, 1, 1);
            payroll.challengeCredit(credit, _sign(operatorKey, credit), tree.leaves[leaf], _proof(v, leaf));
            assertFalse(_isPending());
            vm.revertToState(clean);
        }
    }

    function _put(uint256 v, uint96 total) private {
        payroll.fund(operator, total);
        bytes32 root = vm.parseJsonBytes32(_json, _key(v, ".root"));
        vm.prank(operator);
        payroll.propose(operator, root, total, 1);
    }

    /// @dev The leaves as the file has them; no levels.
    function _read(uint256 v) private view returns (Tree memory tree) {
        address[] memory accounts_ = vm.parseJsonAddressArray(_json, _key(v, ".accounts"));
        address[] memory nexts = vm.parseJsonAddressArray(_json, _key(v, ".nexts"));
        uint256[] memory amounts = vm.parseJsonUintArray(_json, _key(v, ".cumulatives"));
        tree.leaves = new IPayroll.Leaf[](accounts_.length);
        for (uint256 i = 0; i < accounts_.length; i++) {
            tree.leaves[i] = IPayroll.Leaf(accounts_[i], uint96(amounts[i]), nexts[i]);
            tree.total += uint96(amounts[i]);
        }
    }

    function _proof(uint256 v, uint256 leaf) private view returns (bytes32[] memory) {
        return vm.parseJsonBytes32Array(_json, string.concat(_key(v, ".proofs["), vm.toString(leaf), "]"));
    }

    function _key(uint256 v, string memory name) private pure returns (string memory) {
        return string.concat("$[", vm.toString(v), "]", name);
    }
}
