// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title AIC, the money of Vessel
/// @notice ERC-20 with 18 decimals, permit (ERC-2612), signed transfers (ERC-3009), transferAndCall (ERC-1363) and burn. Never more
/// than 10,000,000,000 AIC exist at once. It has no votes: a wrapper will.
///
/// A signed transfer (ERC-3009) to a contract that speaks ERC-1363 also calls its `onTransferReceived`, with empty data: a
/// payment into an escrow is credited there, whoever submits it. A transfer to any other contract is a plain one.
///
/// The owner can do one thing: mint, up to the cap. Ownership moves in two steps and can be given up.
interface IAIC {
    /// A signed transfer was submitted with too little gas to ask its receiver whether it wants to be called.
    error NotEnoughGas();

    /// @notice Creates `amount` for `to`. Reverts beyond the cap.
    function mint(address to, uint256 amount) external;
}
