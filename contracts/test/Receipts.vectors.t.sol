// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {Test} from "./support/Test.sol";
import "./ReceiptVectors.sol";

/// @notice The structs of shared/receipts/vectors.json, hashed once more with nothing but abi.encode, and their signatures.
contract ReceiptVectorsTest is Test {
    function test_voucher() external {
        bytes32 paymentType = keccak256("Payment(address payee,uint96 cumulative)");
        bytes32[] memory payments = new bytes32[](2);
        payments[0] = keccak256(abi.encode(paymentType, DEVICE, uint96(100_000_000_000_000_000_001)));
        payments[1] = keccak256(abi.encode(paymentType, _address(0xd5), uint96(23_456_789_012_345_678_900)));
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Voucher(address payer,uint96 total,Payment[] payments)Payment(address payee,uint96 cumulative)"
                ),
                _address(0xc4),
                uint96(123_456_789_012_345_678_901),
                keccak256(abi.encodePacked(payments))
            )
        );
        _requireDigest("Vessel", VOUCHER_CONTRACT, structHash, VOUCHER_DIGEST);
        _requireSigner(VOUCHER_DIGEST, VOUCHER_SIGNATURE);
    }

    function test_authorization() external {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Authorization(address payer,address sessionKey,uint96 cap,uint40 expiry)"),
                SIGNER,
                _address(0xe6),
                type(uint96).max,
                uint40(1_900_000_000)
            )
        );
        _requireDigest("Vessel", AUTHORIZATION_CONTRACT, structHash, AUTHORIZATION_DIGEST);
        _requireSigner(AUTHORIZATION_DIGEST, AUTHORIZATION_SIGNATURE);
    }

    function test_receipt() external {
        bytes memory first = abi.encode(
            keccak256(
                "HopReceipt(bytes32 session,bytes32 model,address account,uint16 fromLayer,uint16 toLayer,uint32 batch,uint32 epoch,uint32 promptPositions,uint32 outputPositions,uint96 amount,bytes32 commitment)"
            ),
            bytes32(hex"abababababababababababababababab"),
            bytes32(hex"c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7c7"),
            DEVICE,
            uint16(4),
            uint16(8)
        );
        bytes memory second = abi.encode(
            uint32(3),
            uint32(0),
            uint32(150),
            uint32(32),
            uint96(984_128_000_000_000_000),
            bytes32(hex"9d9d9d9d9d9d9d9d")
        );
        _requireDigest("Vessel", RECEIPT_CONTRACT, keccak256(bytes.concat(first, second)), RECEIPT_DIGEST);
        _requireDevice(RECEIPT_DIGEST, RECEIPT_R, RECEIPT_S);
    }

    function test_credit() external {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("PayrollCredit(address operator,address account,uint96 cumulative,uint32 epoch)"),
                SIGNER,
                DEVICE,
                uint96(7_000_000_000_000_000_007),
                uint32(42)
            )
        );
        _requireDigest("Vessel Payroll", CREDIT_CONTRACT, structHash, CREDIT_DIGEST);
        _requireSigner(CREDIT_DIGEST, CREDIT_SIGNATURE);
    }

    function test_setPayout() external {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("SetPayout(address account,address payout,uint256 nonce,uint256 deadline)"),
                DEVICE,
                _address(0xf8),
                uint256(0),
                uint256(1_900_000_000)
            )
        );
        _requireDigest("Vessel Accounts", SET_PAYOUT_CONTRACT, structHash, SET_PAYOUT_DIGEST);
        _requireDevice(SET_PAYOUT_DIGEST, SET_PAYOUT_R, SET_PAYOUT_S);
    }

    function test_addKey() external {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("AddKey(address account,address key,uint256 nonce,uint256 deadline)"),
                DEVICE,
                _address(0xf9),
                uint256(1),
                uint256(1_900_000_000)
            )
        );
        _requireDigest("Vessel Accounts", ADD_KEY_CONTRACT, structHash, ADD_KEY_DIGEST);
        _requireDevice(ADD_KEY_DIGEST, ADD_KEY_R, ADD_KEY_S);
    }

    function test_aDeviceIsCalledByItsKey() external pure {
        require(DEVICE == address(uint160(uint256(keccak256(abi.encodePacked(DEVICE_X, DEVICE_Y))))), "account");
    }

    function _requireDigest(string memory name, address place, bytes32 structHash, bytes32 expected) private pure {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                CHAIN_ID,
                place
            )
        );
        require(keccak256(abi.encodePacked(hex"1901", domain, structHash)) == expected, "digest");
    }

    function _requireSigner(bytes32 digest, bytes memory signature) private pure {
        require(ECDSA.recover(digest, signature) == SIGNER, "signer");
    }

    /// @dev Device keys sign sha256 of the digest.
    function _requireDevice(bytes32 digest, bytes32 r, bytes32 s) private view {
        require(P256.verify(sha256(abi.encodePacked(digest)), r, s, DEVICE_X, DEVICE_Y), "device");
    }

    function _address(uint8 repeated) private pure returns (address) {
        uint160 value;
        for (uint256 i; i < 20; ++i) value = (value << 8) | repeated;
        return address(value);
    }
}
