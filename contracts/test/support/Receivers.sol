// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";

/// @title Contracts that receive tokens: honest ones, plain ones and hostile ones

/// @dev Writes down what it was told.
contract TokenReceiver is IERC1363Receiver, IERC165 {
    uint256 public calls;
    address public operator;
    address public from;
    uint256 public value;
    bytes public data;

    function onTransferReceived(address operator_, address from_, uint256 value_, bytes calldata data_)
        external
        virtual
        returns (bytes4)
    {
        calls++;
        (operator, from, value, data) = (operator_, from_, value_, data_);
        return IERC1363Receiver.onTransferReceived.selector;
    }

    function supportsInterface(bytes4 id) external view virtual returns (bool) {
        return id == type(IERC165).interfaceId || id == type(IERC1363Receiver).interfaceId;
    }
}

/// @dev Supports ERC-1363 and wants the payment not.
contract RefusingReceiver is TokenReceiver {
    error NoThanks();

    function onTransferReceived(address, address, uint256, bytes calldata) external pure override returns (bytes4) {
        revert NoThanks();
    }
}

/// @dev Answers with another function's selector.
contract MuddledReceiver is TokenReceiver {
    function onTransferReceived(address, address, uint256, bytes calldata) external pure override returns (bytes4) {
        return 0xdeadbeef;
    }
}

/// @dev While it is being paid, it makes one call of its own.
contract ReenteringReceiver is TokenReceiver {
    address private _target;
    bytes private _call;
    bool public reached;
    bool public succeeded;

    function plan(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function onTransferReceived(address, address, uint256, bytes calldata) external override returns (bytes4) {
        calls++;
        reached = true;
        (succeeded,) = _target.call(_call);
        return IERC1363Receiver.onTransferReceived.selector;
    }
}

/// @dev Needs most of the 30,000 gas that ERC-165 allows for its answer.
contract SlowReceiver is TokenReceiver {
    function supportsInterface(bytes4 id) external view override returns (bool) {
        uint256 start = gasleft();
        uint256 sum;
        // Spends some 25,000 gas; with less it runs out and so gives no answer.
        while (start - gasleft() < 25_000) sum += 1;
        return sum != 0 && (id == type(IERC165).interfaceId || id == type(IERC1363Receiver).interfaceId);
    }
}

/// @dev Stock: knows nothing of ERC-165.
contract PlainContract {}

/// @dev Says yes to every question, as some wallets with a fallback do.
contract YesSayer {
    fallback() external {
        assembly ("memory-safe") {
            mstore(0, 1)
            return(0, 0x20)
        }
    }
}

contract RevertingSupport {
    function supportsInterface(bytes4) external pure returns (bool) {
        revert("no");
    }
}

/// @dev Answers with as many bytes as its gas can pay for.
contract BombSupport {
    function supportsInterface(bytes4) external pure returns (bool) {
        assembly ("memory-safe") {
            return(0, 100000)
        }
    }
}

/// @dev Burns all the gas that it is given.
contract BurningSupport {
    function supportsInterface(bytes4) external pure returns (bool) {
        while (true) {}
        return true;
    }
}

/// @dev Tries to write, and to move tokens, while it is asked.
contract WritingSupport {
    address private immutable TOKEN;
    uint256 public written;

    constructor(address token) {
        TOKEN = token;
    }

    function supportsInterface(bytes4) external returns (bool) {
        written = 1;
        (bool moved,) = TOKEN.call(abi.encodeWithSignature("transfer(address,uint256)", msg.sender, 1));
        return !moved;
    }
}

/// @dev Takes assets (ERC-721), and makes one call of its own while it gets one.
contract AssetTaker {
    address private _target;
    bytes private _call;
    uint256 public calls;
    bool public succeeded;
    bytes public told;

    function plan(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function onERC721Received(address, address, uint256, bytes calldata) external returns (bytes4) {
        calls++;
        told = msg.data[4:];
        // Only the first time: the call may bring another asset here.
        if (calls == 1 && _target != address(0)) (succeeded,) = _target.call(_call);
        return this.onERC721Received.selector;
    }
}
