// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC1363} from "@openzeppelin/contracts/token/ERC20/extensions/ERC1363.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Capped} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC1363Utils} from "@openzeppelin/contracts/token/ERC20/utils/ERC1363Utils.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {IAIC} from "./interfaces/IAIC.sol";

/// @title AIC, the money of Vessel
/// @notice Meaning and warnings are in IAIC.
contract AIC is IAIC, ERC20Capped, ERC20Burnable, ERC20Permit, ERC1363, ERC3009, Ownable2Step {
    uint256 private constant CAP = 10_000_000_000e18;
    /// @dev A contract may use 30,000 gas to answer an ERC-165 question. Whoever submits a transfer with so little that the question
    /// starves keeps at most a 63rd of that (EIP-150): with more left, the answer was the contract's own.
    uint256 private constant STARVED = 477;

    constructor(address owner, address holder, uint256 initialSupply)
        ERC20("AIC", "AIC")
        ERC20Capped(CAP)
        ERC20Permit("AIC")
        Ownable(owner)
    {
        _mint(holder, initialSupply);
    }

    /// @inheritdoc IAIC
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    function _transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal override {
        super._transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
        if (ERC165Checker.supportsInterface(to, type(IERC1363Receiver).interfaceId)) {
            ERC1363Utils.checkOnERC1363TransferReceived(_msgSender(), from, to, value, "");
        } else {
            require(gasleft() > STARVED, NotEnoughGas());
        }
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Capped) {
        super._update(from, to, value);
    }
}
