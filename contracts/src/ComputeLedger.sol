// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1363} from "@openzeppelin/contracts/interfaces/IERC1363.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ECDSA} from "solady/src/utils/ECDSA.sol";
import {EfficientHashLib} from "solady/src/utils/EfficientHashLib.sol";
import {EIP712} from "solady/src/utils/EIP712.sol";
import {SafeTransferLib} from "solady/src/utils/SafeTransferLib.sol";
import {SignatureCheckerLib} from "solady/src/utils/SignatureCheckerLib.sol";
import {IAccounts} from "./interfaces/IAccounts.sol";
import {IComputeLedger} from "./interfaces/IComputeLedger.sol";
import {PaymentGate} from "./PaymentGate.sol";

/// @title Escrow that pays for compute
/// @notice What everything means is in IComputeLedger.
/// @dev A claim writes two kinds of slot, the authorization once and one channel per payee, and calls nothing. Whatever does call
/// out calls the token last, after its own books are written. Vouchers are known by who signed them and how far they count, never
/// by the bytes of a signature: another signature by the same key for the same voucher adds nothing.
contract ComputeLedger is IComputeLedger, IERC1363Receiver, ERC165, EIP712 {
    using SafeTransferLib for address;

    struct Session {
        Authorization authorization;
        mapping(address payee => Earnings) channels;
    }

    /// @dev One slot: what was claimed in the low 96 bits, what of that was paid out above them.
    struct Earnings {
        uint256 packed;
    }

    /// @dev One slot.
    struct Gate {
        address sessionKey;
        uint40 validity;
    }

    /// @dev Money can be bound for this long at most: a key lost or forgotten is not forever.
    uint256 private constant LONGEST_VALIDITY = 400 days;

    bytes32 private constant AUTHORIZATION_TYPEHASH =
        keccak256("Authorization(address payer,address sessionKey,uint96 cap,uint40 expiry)");
    bytes32 private constant VOUCHER_TYPEHASH = keccak256(
        "Voucher(address payer,uint96 total,Payment[] payments)Payment(address payee,uint96 cumulative)"
    );
    bytes32 private constant PAYMENT_TYPEHASH = keccak256("Payment(address payee,uint96 cumulative)");

    /// @inheritdoc IComputeLedger
    address public immutable token;
    /// @inheritdoc IComputeLedger
    uint40 public immutable claimWindow;
    /// @notice Where payees say where they are paid.
    IAccounts public immutable accounts;

    /// @inheritdoc IComputeLedger
    mapping(address payer => uint256) public balanceOf;
    mapping(address payer => mapping(address sessionKey => Session)) private _sessions;
    mapping(address gate => Gate) private _gates;

    constructor(address token_, IAccounts accounts_, uint40 claimWindow_) {
        token = token_;
        accounts = accounts_;
        claimWindow = claimWindow_;
    }

    // ------------------------------------------------------------------------------------------------ reading

    /// @dev AIC asks before it calls onTransferReceived for a signed transfer.
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERC1363Receiver).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @inheritdoc IComputeLedger
    function authorizationOf(address payer, address sessionKey) external view returns (Authorization memory) {
        return _sessions[payer][sessionKey].authorization;
    }

    /// @inheritdoc IComputeLedger
    function remainingOf(address payer, address sessionKey) external view returns (uint256) {
        return _remaining(_sessions[payer][sessionKey].authorization);
    }

    /// @inheritdoc IComputeLedger
    function channelOf(address payer, address sessionKey, address payee)
        external
        view
        returns (uint96 claimed, uint96 paidOut)
    {
        uint256 channel = _sessions[payer][sessionKey].channels[payee].packed;
        return (uint96(channel), uint96(channel >> 96));
    }

    // ------------------------------------------------------------------------------------------------ free balance

    /// @inheritdoc IComputeLedger
    function deposit(address payer, uint256 amount) external {
        _pull(amount);
        _credit(payer, msg.sender, amount);
    }

    /// @inheritdoc IComputeLedger
    function depositWithPermit(address payer, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        // Someone may have used the permit before us: then the allowance is there, and only that matters.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _pull(amount);
        _credit(payer, msg.sender, amount);
    }

    /// @inheritdoc IERC1363Receiver
    /// @dev Credits the sender, or the address in `data`.
    function onTransferReceived(address, address from, uint256 value, bytes calldata data) external returns (bytes4) {
        if (msg.sender != token) revert NotToken(msg.sender);
        address payer = from;
        if (data.length == 20) payer = address(bytes20(data));
        else if (data.length == 32) payer = abi.decode(data, (address));
        else if (data.length != 0) revert BadData();
        _credit(payer, from, value);
        return IERC1363Receiver.onTransferReceived.selector;
    }

    /// @inheritdoc IComputeLedger
    function withdraw(uint256 amount, address to) external {
        _requireUsable(to);
        _takeFree(msg.sender, amount);
        emit Withdrawn(msg.sender, to, amount);
        token.safeTransfer(to, amount);
    }

    // ------------------------------------------------------------------------------------------------ set aside

    /// @inheritdoc IComputeLedger
    function authorize(address sessionKey, uint96 cap, uint40 expiry) external {
        _authorize(msg.sender, sessionKey, cap, expiry);
    }

    /// @inheritdoc IComputeLedger
    function authorizeBySig(address payer, address sessionKey, uint96 cap, uint40 expiry, bytes calldata signature)
        external
    {
        bytes32 digest = _hashTypedData(keccak256(abi.encode(AUTHORIZATION_TYPEHASH, payer, sessionKey, cap, expiry)));
        if (!SignatureCheckerLib.isValidSignatureNowCalldata(payer, digest, signature)) revert BadSignature();
        _authorize(payer, sessionKey, cap, expiry);
    }

    /// @inheritdoc IComputeLedger
    function revoke(address sessionKey) external {
        Authorization storage authorization = _sessions[msg.sender][sessionKey].authorization;
        authorization.closed = true;
        if (authorization.expiry > block.timestamp) authorization.expiry = uint40(block.timestamp);
        emit Revoked(msg.sender, sessionKey, authorization.expiry);
    }

    /// @inheritdoc IComputeLedger
    function release(address payer, address sessionKey) external returns (uint256 amount) {
        Authorization storage authorization = _sessions[payer][sessionKey].authorization;
        if (authorization.expiry == 0) revert UnknownAuthorization(payer, sessionKey);
        uint256 until = _claimableUntil(authorization.expiry);
        if (block.timestamp < until) revert ClaimWindowOpen(until);
        amount = authorization.cap - authorization.spent;
        authorization.cap = authorization.spent;
        authorization.closed = true;
        balanceOf[payer] += amount;
        emit Released(payer, sessionKey, amount);
    }

    // ------------------------------------------------------------------------------------------------ earned

    /// @inheritdoc IComputeLedger
    function claim(Voucher calldata voucher, bytes calldata signature) external returns (uint256 amount) {
        (, amount) = _claimOrRevert(voucher, signature);
    }

    /// @inheritdoc IComputeLedger
    function claimBatch(Voucher[] calldata vouchers, bytes[] calldata signatures) external returns (uint256 amount) {
        if (vouchers.length != signatures.length) revert LengthMismatch(vouchers.length, signatures.length);
        for (uint256 i = 0; i < vouchers.length; ++i) {
            (, uint256 credited) = _claim(vouchers[i], signatures[i]);
            if (credited == 0) emit VoucherSkipped(i);
            amount += credited;
        }
    }

    /// @inheritdoc IComputeLedger
    function claimAndPayOut(Voucher calldata voucher, bytes calldata signature, address payee)
        external
        returns (uint256 amount)
    {
        (address sessionKey,) = _claimOrRevert(voucher, signature);
        amount = _collect(payee, voucher.payer, sessionKey);
        _pay(payee, amount);
    }

    /// @inheritdoc IComputeLedger
    function payOut(address payee, Channel[] calldata channels) external returns (uint256 amount) {
        amount = _collect(payee, channels);
        _pay(payee, amount);
    }

    /// @inheritdoc IComputeLedger
    function payOutAndCall(Channel[] calldata channels, address to, bytes calldata data)
        external
        returns (uint256 amount)
    {
        amount = _collect(msg.sender, channels);
        if (amount == 0) return 0;
        emit PaidOut(msg.sender, amount);
        if (!IERC1363(token).transferAndCall(to, amount, data)) revert SafeTransferLib.TransferFailed();
    }

    // ------------------------------------------------------------------------------------------------ gates

    /// @inheritdoc IComputeLedger
    function openGate(address sessionKey, uint40 validity) external returns (address gate) {
        if (sessionKey == address(0)) revert ZeroAddress();
        if (validity > LONGEST_VALIDITY) revert ExpiryTooFar(block.timestamp + LONGEST_VALIDITY);
        bytes32 salt = bytes32(uint256(validity) << 160 | uint160(sessionKey));
        gate = Create2.computeAddress(salt, keccak256(type(PaymentGate).creationCode));
        if (_gates[gate].sessionKey != address(0)) return gate;
        _gates[gate] = Gate(sessionKey, validity);
        emit GateOpened(gate, sessionKey);
        new PaymentGate{salt: salt}();
    }

    /// @inheritdoc IComputeLedger
    function depositThroughGate(address payer, uint256 amount) external {
        Gate memory gate = _gates[msg.sender];
        if (gate.sessionKey == address(0)) revert NotAGate(msg.sender);
        _pull(amount);
        _credit(payer, msg.sender, amount);
        Authorization storage authorization = _sessions[payer][gate.sessionKey].authorization;
        if (authorization.closed) return;
        balanceOf[payer] -= amount;
        authorization.cap += SafeCast.toUint96(amount);
        uint40 expiry = uint40(block.timestamp) + gate.validity;
        if (expiry > authorization.expiry) authorization.expiry = expiry;
        emit Authorized(payer, gate.sessionKey, authorization.cap, authorization.expiry);
    }

    // ------------------------------------------------------------------------------------------------ inside

    /// @dev Money that belongs to nobody, or to the ledger itself, could never be moved again.
    function _requireUsable(address account) private view {
        if (account == address(0)) revert ZeroAddress();
        if (account == address(this)) revert SelfAddress();
    }

    /// @dev Takes the caller's tokens. The books follow what the token was told, so it must have done exactly that.
    function _pull(uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 moved = token.balanceOf(address(this)) - before;
        if (moved != amount) revert AmountMismatch(moved, amount);
    }

    function _credit(address payer, address from, uint256 amount) private {
        _requireUsable(payer);
        balanceOf[payer] += amount;
        emit Deposited(payer, from, amount);
    }

    function _takeFree(address payer, uint256 amount) private {
        uint256 balance = balanceOf[payer];
        if (balance < amount) revert InsufficientBalance(balance, amount);
        balanceOf[payer] = balance - amount;
    }

    function _authorize(address payer, address sessionKey, uint96 cap, uint40 expiry) private {
        if (sessionKey == address(0)) revert ZeroAddress();
        Authorization storage authorization = _sessions[payer][sessionKey].authorization;
        (uint96 oldCap, uint40 oldExpiry) = (authorization.cap, authorization.expiry);
        if (authorization.closed) revert AuthorizationClosed();
        if (cap < oldCap || expiry < oldExpiry) revert AuthorizationCannotShrink();
        if (cap == oldCap && expiry == oldExpiry) return;
        if (expiry <= block.timestamp) revert ExpiryPassed(expiry);
        if (expiry > block.timestamp + LONGEST_VALIDITY) revert ExpiryTooFar(block.timestamp + LONGEST_VALIDITY);
        _takeFree(payer, cap - oldCap);
        authorization.cap = cap;
        authorization.expiry = expiry;
        emit Authorized(payer, sessionKey, cap, expiry);
    }

    function _claimableUntil(uint40 expiry) private view returns (uint256) {
        unchecked {
            // Of 40 bits each.
            return uint256(expiry) + claimWindow;
        }
    }

    function _remaining(Authorization storage authorization) private view returns (uint256) {
        (uint256 cap, uint256 spent, uint40 expiry) =
            (authorization.cap, authorization.spent, authorization.expiry);
        unchecked {
            // Never more is spent than the cap.
            return block.timestamp < _claimableUntil(expiry) ? cap - spent : 0;
        }
    }

    function _digest(address payer, uint96 total, Payment[] calldata payments) internal view returns (bytes32) {
        bytes32 typeHash = PAYMENT_TYPEHASH;
        bytes32 hash;
        // keccak256 of keccak256(abi.encode(PAYMENT_TYPEHASH, payee, cumulative)) of each payment. Call data holds a payment as abi.encode
        // writes it, in two words, so they are copied as they are. Words beyond their type count as what was signed here, and revert
        // where _credit reads them. The memory is behind the free pointer and not kept.
        assembly ("memory-safe") {
            let encoded := mload(0x40)
            let hashes := add(encoded, 0x60)
            let next := hashes
            mstore(encoded, typeHash)
            for {
                let at := payments.offset
                let end := add(at, shl(6, payments.length))
            } lt(at, end) { at := add(at, 0x40) } {
                calldatacopy(add(encoded, 0x20), at, 0x40)
                mstore(next, keccak256(encoded, 0x60))
                next := add(next, 0x20)
            }
            hash := keccak256(hashes, sub(next, hashes))
        }
        return _hashTypedData(
            EfficientHashLib.hash(uint256(VOUCHER_TYPEHASH), uint160(payer), uint256(total), uint256(hash))
        );
    }

    /// @dev Credits the payees. Zero when nothing is new, and when the voucher does not count: a key that was never authorized (also
    /// zero, which is what a bad signature recovers to) has nothing left to draw.
    function _claim(Voucher calldata voucher, bytes calldata signature)
        private
        returns (address sessionKey, uint256 amount)
    {
        address payer = voucher.payer;
        Payment[] calldata payments = voucher.payments;
        sessionKey = ECDSA.tryRecoverCalldata(_digest(payer, voucher.total, payments), signature);
        Session storage session = _sessions[payer][sessionKey];
        amount = _credit(session, payments, _remaining(session.authorization));
        if (amount == 0) return (sessionKey, 0);
        unchecked {
            // No more than `cap - spent` was credited.
            session.authorization.spent += uint96(amount);
        }
        emit Claimed(payer, sessionKey, amount);
    }

    /// @dev Writes a payee's slot before the next is read: a payee named twice is credited up to the larger amount, once.
    /// @param left what the key can still draw; no more than this is credited
    function _credit(Session storage session, Payment[] calldata payments, uint256 left)
        private
        returns (uint256 amount)
    {
        uint256 before = left;
        uint256 length = payments.length;
        unchecked {
            for (uint256 i = 0; i < length && left != 0; ++i) {
                (address payee, uint256 cumulative) = _paymentAt(payments, i);
                Earnings storage earnings = session.channels[payee];
                uint256 packed = earnings.packed;
                uint256 claimed = uint96(packed);
                if (cumulative <= claimed) continue;
                // Not more than `left`, and `claimed` with it not more than `cumulative`, which has 96 bits.
                uint256 credit = cumulative - claimed;
                if (credit > left) credit = left;
                left -= credit;
                earnings.packed = packed + credit;
            }
            return before - left;
        }
    }

    /// @dev What `payments[i]` holds, for an `i` known to be within. Words beyond their type revert, as they do where the compiler reads.
    function _paymentAt(Payment[] calldata payments, uint256 i) private pure returns (address payee, uint256 cumulative) {
        assembly ("memory-safe") {
            let at := add(payments.offset, shl(6, i))
            payee := calldataload(at)
            cumulative := calldataload(add(at, 0x20))
            if or(shr(160, payee), shr(96, cumulative)) { revert(0, 0) }
        }
    }

    /// @dev The same; says why a voucher does not count.
    function _claimOrRevert(Voucher calldata voucher, bytes calldata signature)
        private
        returns (address sessionKey, uint256 amount)
    {
        (sessionKey, amount) = _claim(voucher, signature);
        if (amount != 0) return (sessionKey, amount);
        if (sessionKey == address(0)) revert BadSignature();
        uint40 expiry = _sessions[voucher.payer][sessionKey].authorization.expiry;
        if (expiry == 0) revert UnknownAuthorization(voucher.payer, sessionKey);
        uint256 since = _claimableUntil(expiry);
        if (block.timestamp >= since) revert ClaimWindowOver(since);
    }

    function _collect(address payee, Channel[] calldata channels) private returns (uint256 amount) {
        for (uint256 i = 0; i < channels.length; ++i) {
            amount += _collect(payee, channels[i].payer, channels[i].sessionKey);
        }
    }

    function _collect(address payee, address payer, address sessionKey) private returns (uint256 amount) {
        Earnings storage earnings = _sessions[payer][sessionKey].channels[payee];
        uint256 packed = earnings.packed;
        uint256 claimed = uint96(packed);
        amount = claimed - (packed >> 96);
        if (amount != 0) earnings.packed = claimed << 96 | claimed;
    }

    function _pay(address payee, uint256 amount) private {
        address to = payee;
        if (msg.sender != payee) {
            to = accounts.payoutOf(payee);
            if (to == address(0)) revert NoPayout(payee);
        }
        if (to == address(this)) revert SelfAddress();
        if (amount == 0) return;
        emit PaidOut(payee, amount);
        token.safeTransfer(to, amount);
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Vessel", "1");
    }
}
