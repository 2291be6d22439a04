// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";
import {IAccounts} from "./interfaces/IAccounts.sol";

/// @title Where an account's money goes
/// @notice Meaning and warnings are in IAccounts.
contract Accounts is IAccounts, EIP712 {
    bytes32 private constant SET_PAYOUT =
        keccak256("SetPayout(address account,address payout,uint256 nonce,uint256 deadline)");
    bytes32 private constant ADD_KEY = keccak256("AddKey(address account,address key,uint256 nonce,uint256 deadline)");

    /// @inheritdoc IAccounts
    mapping(address account => address) public payoutOf;
    /// @inheritdoc IAccounts
    mapping(address account => uint256) public nonceOf;
    mapping(address account => mapping(address key => bool)) private _added;

    constructor() EIP712("Vessel Accounts", "1") {}

    /// @inheritdoc IAccounts
    function isKeyOf(address account, address key) public view returns (bool) {
        return key == account || _added[account][key];
    }

    /// @inheritdoc IAccounts
    function setPayout(address account, address payout) external {
        _setPayout(account, payout, msg.sender);
    }

    /// @inheritdoc IAccounts
    function setPayout(address account, address payout, uint256 deadline, DeviceSignature calldata signature) external {
        _setPayout(account, payout, _device(_digest(SET_PAYOUT, account, payout, deadline), signature));
    }

    /// @inheritdoc IAccounts
    function setPayout(address account, address payout, uint256 deadline, PasskeySignature calldata signature) external {
        _setPayout(account, payout, _passkey(_digest(SET_PAYOUT, account, payout, deadline), signature));
    }

    /// @inheritdoc IAccounts
    function addKey(address account, address key) external {
        _addKey(account, key, msg.sender);
    }

    /// @inheritdoc IAccounts
    function addKey(address account, address key, uint256 deadline, DeviceSignature calldata signature) external {
        _addKey(account, key, _device(_digest(ADD_KEY, account, key, deadline), signature));
    }

    /// @inheritdoc IAccounts
    function addKey(address account, address key, uint256 deadline, PasskeySignature calldata signature) external {
        _addKey(account, key, _passkey(_digest(ADD_KEY, account, key, deadline), signature));
    }

    function _setPayout(address account, address payout, address by) private {
        require(isKeyOf(account, by), NotAKeyOf(account, by));
        require(payout != address(0), ZeroAddress());
        payoutOf[account] = payout;
        emit PayoutSet(account, payout, by);
    }

    function _addKey(address account, address key, address by) private {
        require(isKeyOf(account, by), NotAKeyOf(account, by));
        require(key != address(0), ZeroAddress());
        _added[account][key] = true;
        emit KeyAdded(account, key, by);
    }

    /// @dev What is signed, and the account's nonce used up: everything is undone should the signature turn out wrong.
    function _digest(bytes32 typeHash, address account, address value, uint256 deadline) private returns (bytes32) {
        require(block.timestamp <= deadline, Expired(deadline));
        return _hashTypedDataV4(keccak256(abi.encode(typeHash, account, value, nonceOf[account]++, deadline)));
    }

    /// @dev The device that signed, by its account. Platform keys (WebCrypto) hash what they sign once more, with sha2-256.
    function _device(bytes32 digest, DeviceSignature calldata key) private view returns (address) {
        require(P256.verify(sha256(abi.encode(digest)), key.r, key.s, key.x, key.y), BadSignature());
        return _accountOf(key.x, key.y);
    }

    function _passkey(bytes32 digest, PasskeySignature calldata key) private view returns (address) {
        require(WebAuthn.verify(abi.encode(digest), key.auth, key.x, key.y), BadSignature());
        return _accountOf(key.x, key.y);
    }

    function _accountOf(bytes32 x, bytes32 y) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(x, y)))));
    }
}
