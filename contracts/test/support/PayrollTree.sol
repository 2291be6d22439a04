// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPayroll} from "../../src/interfaces/IPayroll.sol";

/// @dev A payroll tree with every level of hashes, leaves first.
struct Tree {
    IPayroll.Leaf[] leaves;
    bytes32[][] levels;
    uint96 total;
}

/// @title Payroll trees built a second time, in the plainest way, of the same shape as shared/receipts/payroll-tree.ts
library PayrollTree {
    error OutOfOrder(address account);

    /// @param accounts in rising order, without zero
    function build(address[] memory accounts, uint96[] memory amounts) internal pure returns (Tree memory) {
        IPayroll.Leaf[] memory leaves = new IPayroll.Leaf[](accounts.length + 1);
        for (uint256 i = 0; i < accounts.length; i++) {
            if (accounts[i] <= leaves[i].account) revert OutOfOrder(accounts[i]);
            leaves[i].next = accounts[i];
            leaves[i + 1] = IPayroll.Leaf(accounts[i], amounts[i], address(0));
        }
        return ofLeaves(leaves);
    }

    /// @dev Any leaves, also those no honest operator would put together.
    function ofLeaves(IPayroll.Leaf[] memory leaves) internal pure returns (Tree memory tree) {
        tree.leaves = leaves;
        uint256 height = 1;
        for (uint256 width = leaves.length; width > 1; width = (width + 1) / 2) height++;
        tree.levels = new bytes32[][](height);
        tree.levels[0] = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; i++) {
            tree.levels[0][i] = hash(leaves[i]);
            tree.total += leaves[i].cumulative;
        }
        for (uint256 h = 1; h < height; h++) {
            bytes32[] memory below = tree.levels[h - 1];
            tree.levels[h] = new bytes32[]((below.length + 1) / 2);
            for (uint256 i = 0; i < tree.levels[h].length; i++) {
                tree.levels[h][i] =
                    2 * i + 1 == below.length ? below[2 * i] : hashPair(below[2 * i], below[2 * i + 1]);
            }
        }
    }

    function hash(IPayroll.Leaf memory leaf) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(leaf.account, leaf.cumulative, leaf.next))));
    }

    function hashPair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function root(Tree memory tree) internal pure returns (bytes32) {
        return tree.levels[tree.levels.length - 1][0];
    }

    function proof(Tree memory tree, uint256 index) internal pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](tree.levels.length - 1);
        uint256 count = 0;
        for (uint256 h = 0; h < siblings.length; h++) {
            uint256 sibling = (index >> h) ^ 1;
            if (sibling < tree.levels[h].length) siblings[count++] = tree.levels[h][sibling];
        }
        assembly ("memory-safe") {
            mstore(siblings, count)
        }
    }

    /// @dev The account's own leaf, or the one that leads past it.
    function evidence(Tree memory tree, address account)
        internal
        pure
        returns (IPayroll.Leaf memory, bytes32[] memory)
    {
        uint256 index = 0;
        while (index + 1 < tree.leaves.length && tree.leaves[index + 1].account <= account) index++;
        return (tree.leaves[index], proof(tree, index));
    }
}
