// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Escrow that pays for compute
/// @notice A payer has one escrow: a free balance, and what it has set aside for session keys. A session key (secp256k1, thrown away
/// after use) signs vouchers against what was set aside for it, and against nothing else, so a payee who reads `authorizationOf`
/// knows what is left for its vouchers whatever the payer does.
///
/// Money is in exactly one place: free, set aside, or earned by a payee and not yet paid out.
/// States and how each one ends:
///   free balance      the payer withdraws it at any time
///   set aside         spent by vouchers before `expiry` + `claimWindow`; what is left is free again from then on, by anyone's call
///   earned            paid out by anyone's call, to the payee's payout address only, or by the payee's own
///
/// A session key can sign more than was set aside for it, and tell different payees different totals. Vouchers draw in the order in
/// which they are claimed, so what a payee has not claimed yet is what it trusts the payer with: it keeps that small, or claims.
///
/// EIP-712 domain: name "Vessel", version "1".
///   Authorization(address payer,address sessionKey,uint96 cap,uint40 expiry)
///   Voucher(address payer,uint96 total,Payment[] payments)Payment(address payee,uint96 cumulative)
/// Nobody owns this contract.
interface IComputeLedger {
    struct Payment {
        address payee;
        /// @dev Everything this session key has ever promised this payee, in wei. It never falls.
        uint96 cumulative;
    }

    struct Voucher {
        address payer;
        /// @dev Everything this session key has promised to anyone so far. For payees; the chain counts for itself.
        uint96 total;
        /// @dev Each payee once.
        Payment[] payments;
    }

    /// @dev What a payee's earnings are counted by.
    struct Channel {
        address payer;
        address sessionKey;
    }

    struct Authorization {
        /// @dev Everything ever set aside for the key. A release lowers it to `spent`.
        uint96 cap;
        uint96 spent;
        uint40 expiry;
        /// @dev Revoked or released: the key can never be authorized by this payer again. Vouchers of a revoked key count until the
        /// end of its claim window.
        bool closed;
    }

    event Deposited(address indexed payer, address indexed from, uint256 amount);
    event Withdrawn(address indexed payer, address indexed to, uint256 amount);
    event Authorized(address indexed payer, address indexed sessionKey, uint96 cap, uint40 expiry);
    event Revoked(address indexed payer, address indexed sessionKey, uint40 expiry);
    event Released(address indexed payer, address indexed sessionKey, uint256 amount);
    /// @dev `amount` over all payments of one voucher; the call data says how it divides.
    event Claimed(address indexed payer, address indexed sessionKey, uint256 amount);
    /// @dev A voucher of a batch that moved nothing, by its place in the batch.
    event VoucherSkipped(uint256 indexed index);
    /// @dev Where it went is in the token's own event.
    event PaidOut(address indexed payee, uint256 amount);
    event GateOpened(address indexed gate, address indexed sessionKey);

    error ZeroAddress();
    /// The ledger cannot be its own payer or receiver: nobody could ever move that money.
    error SelfAddress();
    error NotToken(address caller);
    /// The data of transferAndCall is empty, or an address of 20 or 32 bytes.
    error BadData();
    /// The token moved another amount than it was told to.
    error AmountMismatch(uint256 moved, uint256 expected);
    error InsufficientBalance(uint256 balance, uint256 needed);
    error BadSignature();
    /// The cap or the expiry of an authorization cannot fall; revoke it instead.
    error AuthorizationCannotShrink();
    error AuthorizationClosed();
    error UnknownAuthorization(address payer, address sessionKey);
    /// Vouchers may still be claimed until then.
    error ClaimWindowOpen(uint256 until);
    /// Vouchers of this key no longer count since then.
    error ClaimWindowOver(uint256 since);
    error ExpiryTooFar(uint256 latest);
    error ExpiryPassed(uint40 expiry);
    error LengthMismatch(uint256 vouchers, uint256 signatures);
    /// A device's account has named no payout address, or someone else's money was asked for.
    error NoPayout(address payee);
    error NotAGate(address caller);
    /// A payment of nothing through a gate, which anyone could send in anyone's name.
    error NothingPaid();

    function token() external view returns (address);
    /// @notice Seconds after an authorization's expiry in which its vouchers still count.
    function claimWindow() external view returns (uint40);

    function balanceOf(address payer) external view returns (uint256);
    function authorizationOf(address payer, address sessionKey) external view returns (Authorization memory);
    /// @notice What vouchers of this key can still draw: cap - spent, or 0 once the claim window is over or nothing is open.
    function remainingOf(address payer, address sessionKey) external view returns (uint256);
    /// @notice Claimed for the payee by this key's vouchers, and how much of that was paid out.
    function channelOf(address payer, address sessionKey, address payee)
        external
        view
        returns (uint96 claimed, uint96 paidOut);

    /// @notice Puts the caller's AIC into `payer`'s free balance. Sending AIC with ERC-1363 or ERC-3009 does the same, for the sender
    /// (or for the address in the data of transferAndCall).
    function deposit(address payer, uint256 amount) external;
    function depositWithPermit(address payer, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Takes from the caller's free balance.
    function withdraw(uint256 amount, address to) external;

    /// @notice The caller sets money aside for a session key. Repeated, it raises the cap and moves the expiry out; never the reverse.
    /// @param expiry unix seconds, at most 400 days ahead
    function authorize(address sessionKey, uint96 cap, uint40 expiry) external;
    /// @notice The same by the payer's signature (ERC-1271 wallets included). Repeating a signature changes nothing. It can be used until
    /// its expiry, once there is enough in the free balance; `revoke` cancels it.
    function authorizeBySig(address payer, address sessionKey, uint96 cap, uint40 expiry, bytes calldata signature) external;
    /// @notice The payer ends an authorization now, for good: its claim window begins. For a key that was never authorized this cancels
    /// every signed authorization not yet used.
    function revoke(address sessionKey) external;
    /// @notice Gives what vouchers did not draw back to the payer's free balance, once the claim window is over. Anyone.
    function release(address payer, address sessionKey) external returns (uint256 amount);

    /// @notice Credits every payee of a voucher with what is new for it, as far as the cap reaches, in order. Anyone may submit.
    /// Submitting a voucher again, or an older one, credits nothing and does not revert.
    /// @param signature by the session key, 64 (EIP-2098) or 65 bytes
    function claim(Voucher calldata voucher, bytes calldata signature) external returns (uint256 amount);
    /// @notice The same for many; one that cannot be claimed is skipped.
    function claimBatch(Voucher[] calldata vouchers, bytes[] calldata signatures) external returns (uint256 amount);
    /// @notice Claims a voucher and pays out what one of its payees has earned by its session key, in one transaction.
    function claimAndPayOut(Voucher calldata voucher, bytes calldata signature, address payee)
        external
        returns (uint256 amount);

    /// @notice Pays out what `payee` earned over these channels: to itself if it is the caller, else to its payout address (IAccounts).
    /// Anyone may call for a payee that has named one.
    function payOut(address payee, Channel[] calldata channels) external returns (uint256 amount);
    /// @notice The caller's own earnings, sent on with ERC-1363 to a contract (an operator funding its payroll).
    function payOutAndCall(Channel[] calldata channels, address to, bytes calldata data) external returns (uint256 amount);

    /// @notice Deploys the address at which signed transfers (x402) count as "into my escrow, and this session key may spend it". The same
    /// arguments always give the same address; a gate that exists is returned. `validity` is in seconds.
    function openGate(address sessionKey, uint40 validity) external returns (address gate);
    /// @notice Only a gate: takes `amount`, which `payer` sent to it, and sets it aside for the gate's key, for the gate's validity from
    /// now. If the payer's authorization of that key is closed, the amount goes to the free balance.
    function depositThroughGate(address payer, uint256 amount) external;
}
