// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Pay for very many accounts, by one root per epoch
/// @notice An operator (a relay) funds its payroll and proposes a root over cumulative amounts; after the challenge window the root
/// counts and every account can be paid, by anyone's call, to its own payout address only (IAccounts). Operators are apart from each other: one
/// can never pay with another's funds.
///
/// Leaf: keccak256(keccak256(abi.encode(account, cumulative, next))), where `next` is the next larger account in the tree, or zero
/// for the last. The first leaf has account zero, amount zero. So one leaf proves that an account is missing. Pairs are hashed sorted (OpenZeppelin
/// MerkleProof).
///
/// Holdback: what a pending root adds has not been earned for good. Until the window ends the court may forfeit it, account by
/// account, down to what the last root gave: the payer is refunded into its escrow first, the rest is burnt. Leaves are not lowered by
/// that: what was forfeited is kept here and taken off what the account can claim once that epoch's root counts. It stays
/// forfeited when the root is cancelled, so the root proposed instead must give the account at least as much again.
///
/// Challenge: anyone who shows that a pending root takes an amount back (lower than, or missing from, the root that counts), or is
/// lower than a credit that the operator signed for that epoch, cancels it. The operator may then propose again.
/// A root whose leaves nobody knows cannot be challenged. Until its window ends the root before it still counts: whoever does not
/// find the leaves published should claim by that one, for everybody.
///
/// States and how each one ends:
///   unallocated funds   the operator takes them out at any time
///   pending root        counts after `window` by anyone's call; cancelled by a challenge or by the operator
///   allocated funds     wait for their accounts without limit
///
/// EIP-712 domain: name "Vessel Payroll", version "1".
///   PayrollCredit(address operator,address account,uint96 cumulative,uint32 epoch)
/// signed by the operator or its publisher: by the root of `epoch`, the account's cumulative amount is at least this.
/// The court can do nothing but forfeit; it is fixed at deployment. Nobody owns this contract.
interface IPayroll {
    struct Leaf {
        address account;
        uint96 cumulative;
        address next;
    }

    struct Root {
        bytes32 root;
        /// @dev Of all cumulative amounts in the tree, in wei. Of the root that counts: and of what was forfeited beyond it.
        uint96 total;
        /// @dev From 1 on, without gaps; 0 as long as there is no such root.
        uint32 epoch;
        /// @dev From when a pending root counts, in unix seconds; 0 for the root that counts.
        uint40 readyAt;
    }

    struct Credit {
        address operator;
        address account;
        uint96 cumulative;
        uint32 epoch;
    }

    event Funded(address indexed operator, address indexed from, uint256 amount);
    event Defunded(address indexed operator, address indexed to, uint256 amount);
    event PublisherSet(address indexed operator, address indexed publisher);
    /// @dev It counts `window` seconds later.
    event Proposed(address indexed operator, uint32 indexed epoch, bytes32 root, uint96 total);
    event Accepted(address indexed operator, uint32 indexed epoch, bytes32 root);
    event Cancelled(address indexed operator, uint32 indexed epoch, bytes32 root);
    /// @dev Where it went is in the token's own event.
    event Claimed(address indexed operator, address indexed account, uint256 amount);
    event Forfeited(address indexed operator, address indexed account, uint256 amount, address payer, uint256 refund, bytes32 verdict);

    error NotOperator(address caller);
    error NotCourt(address caller);
    error NotToken(address caller);
    error ZeroAddress();
    /// Money sent to this contract as if it were an account would be nobody's.
    error SelfAddress();
    /// The data of transferAndCall is neither empty nor an address (20 or 32 bytes).
    error BadData();
    /// The token moved another amount than it was asked to.
    error AmountMismatch(uint256 moved, uint256 expected);
    error EmptyRoot();
    error RootPending(uint32 epoch);
    error NothingPending();
    error WindowOpen(uint256 readyAt);
    error WindowOver(uint256 readyAt);
    error EpochNotNext(uint32 epoch, uint32 expected);
    /// The sum of all cumulative amounts cannot fall.
    error TotalFell(uint256 total, uint256 before);
    error Underfunded(uint256 funded, uint256 needed);
    error BadProof();
    error NothingToClaim();
    error NoPayout(address account);
    error BadSignature();
    /// The leaves shown do not prove anything against the pending root.
    error NoFault();
    error BeyondHoldback(uint256 atRisk, uint256 asked);
    error RefundTooLarge(uint256 refund, uint256 amount);

    function token() external view returns (address);
    function court() external view returns (address);
    /// @notice Seconds between proposal and acceptance: challenge window and holdback in one.
    function window() external view returns (uint40);

    /// @notice Everything ever put in, less what was taken out unallocated.
    function fundedOf(address operator) external view returns (uint256);
    /// @notice Paid and forfeited so far. Never more than the total of the root that counts.
    function spentOf(address operator) external view returns (uint256);
    function publisherOf(address operator) external view returns (address);
    function currentOf(address operator) external view returns (Root memory);
    function pendingOf(address operator) external view returns (Root memory);
    /// @notice Paid to the account, and forfeited from it (from the pending root too), by this operator's payroll.
    function paidOf(address operator, address account) external view returns (uint96 paid, uint96 forfeited);

    /// @notice Adds the caller's AIC. transferAndCall with the operator's address as data does the same; without data the sender is the
    /// operator.
    function fund(address operator, uint256 amount) external;
    /// @notice Takes out what no root allocates. The operator only.
    function defund(uint256 amount, address to) external;
    /// @notice The key that may propose and sign credits for the caller from now on (a relay's hot key); zero for none. Credits signed
    /// by the key before it no longer cancel anything.
    function setPublisher(address publisher) external;

    /// @notice Proposes the root of the next epoch. Operator or publisher. Must be funded in full.
    function propose(address operator, bytes32 root, uint96 total, uint32 epoch) external;
    /// @notice Makes a pending root count after its window. Anyone; a claim by one of its leaves does it by itself, and so does the next
    /// proposal. Until then leaves of the root before it still pay.
    function accept(address operator) external;
    /// @notice The operator takes its own pending root back.
    function cancel(address operator) external;

    /// @notice The pending root gives `account` less than the root that counts does and what was forfeited beyond it, or leaves it
    /// out. Each leaf is the account's own, or the one that proves it missing (`before` is ignored before the first root).
    function challengeFall(
        address operator,
        address account,
        Leaf calldata before,
        bytes32[] calldata beforeProof,
        Leaf calldata pending,
        bytes32[] calldata pendingProof
    ) external;
    /// @notice The pending root gives less than a credit the operator signed for an epoch not later than the root's. `pending` is the
    /// account's leaf, or the one that proves it missing.
    function challengeCredit(
        Credit calldata credit,
        bytes calldata signature,
        Leaf calldata pending,
        bytes32[] calldata pendingProof
    ) external;

    /// @notice Pays everything the account has by the root that counts. Anyone, if the account has named a payout address; otherwise only
    /// the account itself, to itself.
    function claim(address operator, Leaf calldata leaf, bytes32[] calldata proof) external returns (uint256 amount);

    /// @notice Court only, while a root is pending: takes `amount` of what it adds for an account. `refund` of it goes into the escrow of
    /// `payer`, the rest is burnt. `current` is the account's leaf in the root that counts, or the leaf that proves it missing (ignored
    /// before the first root).
    function forfeit(
        address operator,
        Leaf calldata pending,
        bytes32[] calldata pendingProof,
        Leaf calldata current,
        bytes32[] calldata currentProof,
        uint96 amount,
        address payer,
        uint96 refund,
        bytes32 verdict
    ) external;
}
