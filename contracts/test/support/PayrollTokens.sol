// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "solady/src/tokens/ERC20.sol";

/// @title Tokens that misbehave: none of them is AIC

/// @dev Lets one contract make calls of its own in the middle of every transfer.
contract HookToken is ERC20 {
    Reenterer private _hook;

    function name() public pure override returns (string memory) {
        return "Hook";
    }

    function symbol() public pure override returns (string memory) {
        return "HOOK";
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setHook(Reenterer hook) external {
        _hook = hook;
    }

    function _beforeTokenTransfer(address, address, uint256) internal override {
        if (address(_hook) != address(0)) _hook.onTransfer();
    }

    function _afterTokenTransfer(address, address, uint256) internal override {
        if (address(_hook) != address(0)) _hook.onTransfer();
    }
}

/// @dev Makes its call whenever the token lets it, and keeps what came of it.
contract Reenterer {
    address private _target;
    bytes private _call;
    uint256 public reached;
    uint256 public succeeded;
    bool private _isInside;

    function plan(address target, bytes calldata call_) external {
        (_target, _call) = (target, call_);
    }

    function run(address target, bytes calldata call_) external {
        (bool ok,) = target.call(call_);
        require(ok, "Reenterer: the call itself failed");
    }

    function onTransfer() external {
        if (_isInside) return;
        _isInside = true;
        reached++;
        (bool ok,) = _target.call(_call);
        if (ok) succeeded++;
        _isInside = false;
    }
}

/// @dev Keeps one wei of everything it moves.
contract FeeToken is HookToken {
    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        super.transferFrom(from, to, amount);
        _burn(to, 1);
        return true;
    }
}

/// @dev Refuses to pay one address.
contract BlacklistToken is HookToken {
    error Listed();

    address private _listed;

    function list(address account) external {
        _listed = account;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (to == _listed) revert Listed();
        return super.transfer(to, amount);
    }
}

/// @dev Moves tokens and answers nothing.
contract SilentToken {
    mapping(address account => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    /// @dev Anybody may move anything: allowances are not what is tested here.
    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
