// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC1363} from "@openzeppelin/contracts/token/ERC20/extensions/ERC1363.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IComputeLedger} from "../../src/interfaces/IComputeLedger.sol";

/// @dev Takes one percent of every transfer.
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) super._update(to, address(0xFEE), amount / 100);
    }
}

/// @dev Its balances can lose half overnight.
contract RebasingToken {
    mapping(address => uint256) private _shares;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 private _divisor = 1;

    function mint(address to, uint256 amount) external {
        _shares[to] += amount;
    }

    function halve() external {
        _divisor *= 2;
    }

    function balanceOf(address account) public view returns (uint256) {
        return _shares[account] / _divisor;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _shares[msg.sender] -= amount * _divisor;
        _shares[to] += amount * _divisor;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        _shares[from] -= amount * _divisor;
        _shares[to] += amount * _divisor;
        return true;
    }
}

/// @dev Like old tokens: transfers return nothing.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Refuses to pay some addresses.
contract BlacklistToken is ERC20("Blacklist", "BLK"), ERC20Permit("Blacklist"), ERC1363 {
    mapping(address => bool) public blacklisted;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function blacklist(address account, bool on) external {
        blacklisted[account] = on;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(!blacklisted[to], "blacklisted");
        super._update(from, to, amount);
    }
}

interface IHooked {
    function tokensMoved() external;
}

/// @dev Like ERC-777: tells sender and receiver, before and after it moves money.
contract HookToken is ERC20("Hook", "HOOK") {
    mapping(address => bool) public hooked;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function hook() external {
        hooked[msg.sender] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (hooked[from]) IHooked(from).tokensMoved();
        super._update(from, to, amount);
        if (hooked[to]) IHooked(to).tokensMoved();
    }
}

/// @dev transferAndCall that says no instead of reverting.
contract SilentToken is ERC20("Silent", "SIL") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function transferAndCall(address, uint256, bytes calldata) external pure returns (bool) {
        return false;
    }
}

/// @dev An attacker that calls back, once, what it was told to, whenever tokens move.
contract Reenterer is IHooked {
    address public target;
    bytes public attack;
    bool public didAttack;
    bool public attackSucceeded;

    constructor(HookToken token, address spender) {
        token.hook();
        token.approve(spender, type(uint256).max);
    }

    function prepare(address target_, bytes calldata attack_) external {
        (target, attack, didAttack) = (target_, attack_, false);
    }

    function run(bytes calldata call) external returns (bool ok) {
        (ok,) = target.call(call);
    }

    function tokensMoved() external {
        if (didAttack || attack.length == 0) return;
        didAttack = true;
        (attackSucceeded,) = target.call(attack);
    }
}

/// @dev A wallet that is a contract (ERC-1271) and can change its mind.
contract ContractWallet {
    address public owner;
    bool public revoked;

    constructor(address owner_) {
        owner = owner_;
    }

    function revokeAll() external {
        revoked = true;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (revoked || signature.length != 65) return 0xffffffff;
        address signer = ecrecover(hash, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        return signer == owner ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

/// @dev Takes whatever is sent with ERC-1363 and remembers the last data.
contract Receiver {
    bytes public lastData;

    function onTransferReceived(address, address, uint256, bytes calldata data) external returns (bytes4) {
        lastData = data;
        return this.onTransferReceived.selector;
    }
}

/// @dev Runs another contract's code over its own storage.
contract Delegator {
    function run(address code, bytes calldata call) external returns (bool ok) {
        (ok,) = code.delegatecall(call);
    }
}

/// @dev Forces ETH upon an address.
contract Bomb {
    constructor(address payable victim) payable {
        selfdestruct(victim);
    }
}
