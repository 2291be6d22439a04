// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @title What every test starts from: cheatcodes, assertions that say both values, and the targets of invariants
/// @notice `test…` functions are tests, those with parameters are fuzzed; `invariant…` functions are checked after every call of a
/// random sequence of calls to the target contracts. A test fails when it reverts.
abstract contract Test {
    /// @dev The functions of one contract that an invariant run may call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    error Failed(string why);
    error NotEqual(string left, string right, string why);

    /// The address of the cheatcodes: the last 20 bytes of keccak256("hevm cheat code").
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    /// The test machine looks for this mark.
    bool public constant IS_TEST = true;

    address[] private _targetContracts;
    address[] private _excludedContracts;
    address[] private _targetSenders;
    address[] private _excludedSenders;
    FuzzSelector[] private _targetSelectors;

    // What the test machine asks an invariant test for, by these names.

    function targetContracts() public view returns (address[] memory) {
        return _targetContracts;
    }

    function excludeContracts() public view returns (address[] memory) {
        return _excludedContracts;
    }

    function targetSenders() public view returns (address[] memory) {
        return _targetSenders;
    }

    function excludeSenders() public view returns (address[] memory) {
        return _excludedSenders;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory) {
        return _targetSelectors;
    }

    function targetContract(address target) internal {
        _targetContracts.push(target);
    }

    function excludeContract(address excluded) internal {
        _excludedContracts.push(excluded);
    }

    function targetSender(address sender) internal {
        _targetSenders.push(sender);
    }

    function excludeSender(address sender) internal {
        _excludedSenders.push(sender);
    }

    function targetSelector(FuzzSelector memory selector) internal {
        _targetSelectors.push(selector);
    }

    // Numbers and accounts.

    /// @dev Brings `x` into [least, most], keeping the edges likely: fuzzing starts from small and from very large numbers.
    function bound(uint256 x, uint256 least, uint256 most) internal pure returns (uint256) {
        require(least <= most, Failed("bound: nothing between least and most"));
        if (x >= least && x <= most) return x;
        uint256 size = most - least + 1;
        if (size == 0) return x;
        if (x <= 3 && size > x) return least + x;
        if (x >= type(uint256).max - 3 && size > type(uint256).max - x) return most - (type(uint256).max - x);
        return least + (x % size);
    }

    /// @dev A private key and its address, from a name.
    function makeKey(string memory name) internal returns (address account, uint256 privateKey) {
        privateKey = uint256(keccak256(bytes(name)));
        account = vm.addr(privateKey);
        vm.label(account, name);
    }

    function makeAddr(string memory name) internal returns (address account) {
        (account,) = makeKey(name);
    }

    function skip(uint256 seconds_) internal {
        vm.warp(block.timestamp + seconds_);
    }

    // Assertions.

    function fail(string memory why) internal pure {
        revert Failed(why);
    }

    function assertTrue(bool condition) internal pure {
        require(condition, Failed("expected true"));
    }

    function assertTrue(bool condition, string memory why) internal pure {
        require(condition, Failed(why));
    }

    function assertFalse(bool condition) internal pure {
        require(!condition, Failed("expected false"));
    }

    function assertFalse(bool condition, string memory why) internal pure {
        require(!condition, Failed(why));
    }

    function assertEq(uint256 left, uint256 right) internal pure {
        assertEq(left, right, "");
    }

    function assertEq(uint256 left, uint256 right, string memory why) internal pure {
        if (left != right) revert NotEqual(vm.toString(left), vm.toString(right), why);
    }

    function assertEq(address left, address right) internal pure {
        assertEq(left, right, "");
    }

    function assertEq(address left, address right, string memory why) internal pure {
        if (left != right) revert NotEqual(vm.toString(left), vm.toString(right), why);
    }

    function assertEq(bytes32 left, bytes32 right) internal pure {
        assertEq(left, right, "");
    }

    function assertEq(bytes32 left, bytes32 right, string memory why) internal pure {
        if (left != right) revert NotEqual(vm.toString(left), vm.toString(right), why);
    }

    function assertEq(bool left, bool right) internal pure {
        assertEq(left, right, "");
    }

    function assertEq(bool left, bool right, string memory why) internal pure {
        if (left != right) revert NotEqual(left ? "true" : "false", right ? "true" : "false", why);
    }

    function assertEq(string memory left, string memory right) internal pure {
        if (keccak256(bytes(left)) != keccak256(bytes(right))) revert NotEqual(left, right, "");
    }

    function assertEq(bytes memory left, bytes memory right) internal pure {
        assertEq(keccak256(left), keccak256(right), "bytes");
    }

    function assertNotEq(uint256 left, uint256 right) internal pure {
        require(left != right, Failed("expected different numbers"));
    }

    function assertNotEq(bytes32 left, bytes32 right) internal pure {
        require(left != right, Failed("expected different words"));
    }

    function assertNotEq(address left, address right) internal pure {
        require(left != right, Failed("expected different addresses"));
    }

    function assertLt(uint256 left, uint256 right) internal pure {
        if (left >= right) revert NotEqual(vm.toString(left), vm.toString(right), "expected less");
    }

    function assertLe(uint256 left, uint256 right) internal pure {
        assertLe(left, right, "expected at most");
    }

    function assertLe(uint256 left, uint256 right, string memory why) internal pure {
        if (left > right) revert NotEqual(vm.toString(left), vm.toString(right), why);
    }

    function assertGt(uint256 left, uint256 right) internal pure {
        if (left <= right) revert NotEqual(vm.toString(left), vm.toString(right), "expected more");
    }

    function assertGe(uint256 left, uint256 right) internal pure {
        assertGe(left, right, "expected at least");
    }

    function assertGe(uint256 left, uint256 right, string memory why) internal pure {
        if (left < right) revert NotEqual(vm.toString(left), vm.toString(right), why);
    }
}
