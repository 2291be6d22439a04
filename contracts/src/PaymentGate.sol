// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {SafeTransferLib} from "solady/src/utils/SafeTransferLib.sol";
import {IComputeLedger} from "./interfaces/IComputeLedger.sol";

/// @title An address whose payments one session key may spend
/// @notice AIC sent here with ERC-1363 or ERC-3009 goes into the sender's escrow, set aside for the key this gate was opened for (the
/// ledger knows which). It keeps nothing. AIC sent by a plain transfer, which names no payer to it, goes on with the next payment.
contract PaymentGate is IERC1363Receiver, ERC165 {
    IComputeLedger private immutable LEDGER;
    address private immutable TOKEN;

    /// @dev Deployed by the ledger, which takes what it is told of.
    constructor() {
        LEDGER = IComputeLedger(msg.sender);
        TOKEN = LEDGER.token();
        SafeTransferLib.safeApproveWithRetry(TOKEN, msg.sender, type(uint256).max);
    }

    /// @inheritdoc IERC1363Receiver
    /// @dev Nobody needs an allowance to move nothing with transferFromAndCall, so nothing must not count as a payment by `from`.
    function onTransferReceived(address, address from, uint256 value, bytes calldata) external returns (bytes4) {
        if (msg.sender != TOKEN) revert IComputeLedger.NotToken(msg.sender);
        if (value == 0) revert IComputeLedger.NothingPaid();
        LEDGER.depositThroughGate(from, SafeTransferLib.balanceOf(TOKEN, address(this)));
        return IERC1363Receiver.onTransferReceived.selector;
    }

    /// @dev AIC asks before it calls onTransferReceived for a signed transfer.
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERC1363Receiver).interfaceId || super.supportsInterface(interfaceId);
    }
}
