// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";

/// @title Where an account's money goes
/// @notice An account is an EVM address, or for a device the last 20 bytes of keccak256(X ‖ Y) of its P-256 public key. Nobody holds
/// an EVM key for a device's account, so it names a payout address by signature. It can name further keys that may do so too (a second
/// device, a passkey, a wallet), so that a lost device loses no earnings.
///
/// Device keys sign sha256 of the EIP-712 digest, low s. Passkeys sign the digest as a WebAuthn challenge, user verified.
/// EIP-712 domain: name "Vessel Accounts", version "1".
///   SetPayout(address account,address payout,uint256 nonce,uint256 deadline)
///   AddKey(address account,address key,uint256 nonce,uint256 deadline)
/// A nonce is used once per account, in order. Nobody owns this contract.
interface IAccounts {
    /// @dev A P-256 public key and its signature, each a pair of 32-byte numbers.
    struct DeviceSignature {
        bytes32 x;
        bytes32 y;
        bytes32 r;
        bytes32 s;
    }

    /// @dev A passkey: its public key and what the authenticator answered.
    struct PasskeySignature {
        bytes32 x;
        bytes32 y;
        WebAuthn.WebAuthnAuth auth;
    }

    event PayoutSet(address indexed account, address indexed payout, address indexed by);
    event KeyAdded(address indexed account, address indexed key, address indexed by);

    error Expired(uint256 deadline);
    error BadSignature();
    /// The key that signed (or the caller) may not speak for the account.
    error NotAKeyOf(address account, address key);
    error ZeroAddress();

    /// @notice Where `account` is paid: its payout address, or zero as long as it has named none.
    function payoutOf(address account) external view returns (address);

    /// @notice The nonce that the account's next signature must carry.
    function nonceOf(address account) external view returns (uint256);

    /// @notice True for the account itself and for every key it has added.
    function isKeyOf(address account, address key) external view returns (bool);

    /// @notice The caller, a wallet, names the payout address of `account`, of which it is a key.
    function setPayout(address account, address payout) external;
    /// @notice The same by a device key's signature; anyone may submit it.
    function setPayout(address account, address payout, uint256 deadline, DeviceSignature calldata signature) external;
    /// @notice The same by a passkey's signature.
    function setPayout(address account, address payout, uint256 deadline, PasskeySignature calldata signature) external;

    /// @notice `key` (an account: device, passkey or wallet) may speak for `account` from now on.
    function addKey(address account, address key) external;
    function addKey(address account, address key, uint256 deadline, DeviceSignature calldata signature) external;
    function addKey(address account, address key, uint256 deadline, PasskeySignature calldata signature) external;
}
