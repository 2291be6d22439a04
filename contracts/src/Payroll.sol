// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1363} from "@openzeppelin/contracts/interfaces/IERC1363.sol";
import {IERC1363Receiver} from "@openzeppelin/contracts/interfaces/IERC1363Receiver.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ECDSA} from "solady/src/utils/ECDSA.sol";
import {EfficientHashLib} from "solady/src/utils/EfficientHashLib.sol";
import {EIP712} from "solady/src/utils/EIP712.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";
import {MerkleProofLib} from "solady/src/utils/MerkleProofLib.sol";
import {SafeCastLib} from "solady/src/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/src/utils/SafeTransferLib.sol";
import {IAccounts} from "./interfaces/IAccounts.sol";
import {IComputeLedger} from "./interfaces/IComputeLedger.sol";
import {IPayroll} from "./interfaces/IPayroll.sol";

/// @title Pay for very many accounts, by one root per epoch
/// @notice Meaning and warnings are in IPayroll.
contract Payroll is IPayroll, IERC1363Receiver, IERC165, EIP712 {
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    /// @dev All that a claim must know of its operator beside the root, in one slot. 2^24 epochs are 1,900 years of one an hour.
    struct Head {
        /// @dev Paid and forfeited. Never more than `total`.
        uint96 spent;
        /// @dev Allocated by the root that counts, and by forfeits from a root not accepted yet. Never falls.
        uint96 total;
        /// @dev Of the root that counts.
        uint24 epoch;
    }

    /// @dev All that a proposal writes beside the root, in one slot.
    struct Purse {
        /// @dev Never less than `head.total`, nor than `pendingTotal` while a root is pending.
        uint96 funded;
        /// @dev Never less than `head.total` while a root is pending.
        uint96 pendingTotal;
        /// @dev From when the pending root counts.
        uint40 readyAt;
        /// @dev Of the root proposed last: it is pending as long as this is the epoch after `head.epoch`. 0 once it was cancelled.
        uint24 pendingEpoch;
    }

    struct Earner {
        uint96 paid;
        /// @dev In all epochs, `held` included.
        uint96 forfeited;
        /// @dev The last epoch from which something was forfeited, and how much.
        uint24 heldEpoch;
        uint96 held;
    }

    struct Book {
        Head head;
        Purse purse;
        address publisher;
        /// @dev By the lowest bit of the epoch: the root that counts and the pending one take turns.
        bytes32[2] roots;
        mapping(address account => Earner) earners;
    }

    bytes32 private constant CREDIT_TYPEHASH =
        keccak256("PayrollCredit(address operator,address account,uint96 cumulative,uint32 epoch)");

    address public immutable token;
    IAccounts public immutable accounts;
    IComputeLedger public immutable ledger;
    address public immutable court;
    uint40 public immutable window;

    mapping(address operator => Book) private _books;

    /// @param court_ zero for none: nothing is ever forfeited
    constructor(address token_, IAccounts accounts_, IComputeLedger ledger_, address court_, uint40 window_) {
        if (token_ == address(0) || address(accounts_) == address(0) || address(ledger_) == address(0)) {
            revert ZeroAddress();
        }
        token = token_;
        accounts = accounts_;
        ledger = ledger_;
        court = court_;
        window = window_;
    }

    // ------------------------------------------------------------------------------------------------ funds

    /// @inheritdoc IPayroll
    function fund(address operator, uint256 amount) external {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 moved = token.balanceOf(address(this)) - before;
        if (moved != amount) revert AmountMismatch(moved, amount);
        _credit(operator, msg.sender, amount);
    }

    /// @inheritdoc IERC1363Receiver
    /// @dev Credits the sender, or the address in `data`.
    function onTransferReceived(address, address from, uint256 value, bytes calldata data) external returns (bytes4) {
        if (msg.sender != token) revert NotToken(msg.sender);
        address operator = from;
        if (data.length == 20) operator = address(bytes20(data));
        else if (data.length == 32) operator = abi.decode(data, (address));
        else if (data.length != 0) revert BadData();
        _credit(operator, from, value);
        return IERC1363Receiver.onTransferReceived.selector;
    }

    /// @inheritdoc IPayroll
    function defund(uint256 amount, address to) external {
        if (to == address(0)) revert ZeroAddress();
        if (to == address(this)) revert SelfAddress();
        Book storage book = _books[msg.sender];
        Purse storage purse = book.purse;
        uint256 free = purse.funded - (_isPending(book) ? purse.pendingTotal : book.head.total);
        if (amount > free) revert Underfunded(free, amount);
        purse.funded -= uint96(amount);
        emit Defunded(msg.sender, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IPayroll
    function setPublisher(address publisher) external {
        _books[msg.sender].publisher = publisher;
        emit PublisherSet(msg.sender, publisher);
    }

    // ------------------------------------------------------------------------------------------------ roots

    /// @inheritdoc IPayroll
    function propose(address operator, bytes32 root, uint96 total, uint32 epoch) external {
        Book storage book = _books[operator];
        if (msg.sender != operator && msg.sender != book.publisher) revert NotOperator(msg.sender);
        _settle(operator, book);
        (uint24 next, uint96 counted) = (book.head.epoch + 1, book.head.total);
        Purse storage purse = book.purse;
        (uint96 funded, uint24 pendingEpoch) = (purse.funded, purse.pendingEpoch);
        if (pendingEpoch == next) revert RootPending(next);
        if (root == 0) revert EmptyRoot();
        if (epoch != next) revert EpochNotNext(epoch, next);
        if (total < counted) revert TotalFell(total, counted);
        if (funded < total) revert Underfunded(funded, total);

        (purse.pendingTotal, purse.readyAt, purse.pendingEpoch) = (total, uint40(block.timestamp) + window, next);
        book.roots[next & 1] = root;
        emit Proposed(operator, next, root, total);
    }

    /// @inheritdoc IPayroll
    function accept(address operator) external {
        Book storage book = _books[operator];
        if (_settle(operator, book)) return;
        if (_isPending(book)) revert WindowOpen(book.purse.readyAt);
        revert NothingPending();
    }

    /// @inheritdoc IPayroll
    function cancel(address operator) external {
        if (msg.sender != operator) revert NotOperator(msg.sender);
        _cancel(operator, _pendingBook(operator));
    }

    /// @inheritdoc IPayroll
    function challengeFall(
        address operator,
        address account,
        Leaf calldata before,
        bytes32[] calldata beforeProof,
        Leaf calldata pending,
        bytes32[] calldata pendingProof
    ) external {
        Book storage book = _pendingBook(operator);
        uint256 least = _current(book, account, before, beforeProof) + _heldFromPending(book, account);
        if (_pending(book, account, pending, pendingProof) >= least) revert NoFault();
        _cancel(operator, book);
    }

    /// @inheritdoc IPayroll
    function challengeCredit(
        Credit calldata credit,
        bytes calldata signature,
        Leaf calldata pending,
        bytes32[] calldata pendingProof
    ) external {
        Book storage book = _pendingBook(credit.operator);
        _requireSigned(book, credit, signature);
        if (
            credit.epoch > book.head.epoch + 1
                || _pending(book, credit.account, pending, pendingProof) >= credit.cumulative
        ) revert NoFault();
        _cancel(credit.operator, book);
    }

    // ------------------------------------------------------------------------------------------------ earnings

    /// @inheritdoc IPayroll
    function claim(address operator, Leaf calldata leaf, bytes32[] calldata proof) external returns (uint256 amount) {
        Book storage book = _books[operator];
        // A leaf that is not of the root that counts may be of the one whose window is over.
        if (!_isIn(_currentRoot(book), leaf, proof)) {
            if (!_settle(operator, book) || !_isIn(_currentRoot(book), leaf, proof)) revert BadProof();
        }
        address account = leaf.account;
        amount = _draw(book, account, leaf.cumulative);
        address to = _payoutOf(account);
        emit Claimed(operator, account, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IPayroll
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
    ) external {
        if (msg.sender != court) revert NotCourt(msg.sender);
        if (refund > amount) revert RefundTooLarge(refund, amount);
        _forfeit(operator, pending, pendingProof, current, currentProof, amount);
        emit Forfeited(operator, pending.account, amount, payer, refund, verdict);
        _giveBack(payer, refund, amount - refund);
    }

    // ------------------------------------------------------------------------------------------------ views

    /// @inheritdoc IPayroll
    function fundedOf(address operator) external view returns (uint256) {
        return _books[operator].purse.funded;
    }

    /// @inheritdoc IPayroll
    function spentOf(address operator) external view returns (uint256) {
        return _books[operator].head.spent;
    }

    /// @inheritdoc IPayroll
    function publisherOf(address operator) external view returns (address) {
        return _books[operator].publisher;
    }

    /// @inheritdoc IPayroll
    /// @dev A pending root whose window is over is the one that counts, accepted or not.
    function currentOf(address operator) external view returns (Root memory) {
        Book storage book = _books[operator];
        if (_isReady(book)) return Root(_pendingRoot(book), book.purse.pendingTotal, book.purse.pendingEpoch, 0);
        return Root(_currentRoot(book), book.head.total, book.head.epoch, 0);
    }

    /// @inheritdoc IPayroll
    function pendingOf(address operator) external view returns (Root memory root) {
        Book storage book = _books[operator];
        if (!_isPending(book) || _isReady(book)) return root;
        Purse storage purse = book.purse;
        return Root(_pendingRoot(book), purse.pendingTotal, purse.pendingEpoch, purse.readyAt);
    }

    /// @inheritdoc IPayroll
    function paidOf(address operator, address account) external view returns (uint96 paid, uint96 forfeited) {
        Earner storage earner = _books[operator].earners[account];
        return (earner.paid, earner.forfeited);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC1363Receiver).interfaceId || id == type(IERC165).interfaceId;
    }

    // ------------------------------------------------------------------------------------------------ within

    function _credit(address operator, address from, uint256 amount) private {
        if (operator == address(0)) revert ZeroAddress();
        _books[operator].purse.funded += amount.toUint96();
        emit Funded(operator, from, amount);
    }

    /// @dev Accepts a pending root whose window is over. False if there is none.
    function _settle(address operator, Book storage book) private returns (bool) {
        if (!_isReady(book)) return false;
        Purse storage purse = book.purse;
        uint24 epoch = purse.pendingEpoch;
        (book.head.total, book.head.epoch) = (purse.pendingTotal, epoch);
        emit Accepted(operator, epoch, book.roots[epoch & 1]);
        return true;
    }

    function _cancel(address operator, Book storage book) private {
        emit Cancelled(operator, book.purse.pendingEpoch, _pendingRoot(book));
        book.purse.pendingEpoch = 0;
    }

    /// @dev Books what the root that counts still owes `account`, of `cumulative` in all, as paid.
    function _draw(Book storage book, address account, uint256 cumulative) private returns (uint256 amount) {
        Head storage head = book.head;
        (uint256 spent, uint256 total, uint256 epoch) = (head.spent, head.total, head.epoch);
        Earner storage earner = book.earners[account];
        (uint256 paid, uint256 forfeited, uint256 heldEpoch) = (earner.paid, earner.forfeited, earner.heldEpoch);
        unchecked {
            // All of 96 bits, and `held` is part of `forfeited`.
            uint256 taken = paid + forfeited;
            if (heldEpoch > epoch) taken -= earner.held;
            if (cumulative <= taken) revert NothingToClaim();
            amount = cumulative - taken;
            spent += amount;
            // Only a tree that adds up to more than its operator said comes here.
            if (spent > total) revert Underfunded(total, spent);
            // No more than `total`, and no more than `cumulative`.
            head.spent = uint96(spent);
            earner.paid = uint96(paid + amount);
        }
    }

    function _forfeit(
        address operator,
        Leaf calldata pending,
        bytes32[] calldata pendingProof,
        Leaf calldata current,
        bytes32[] calldata currentProof,
        uint96 amount
    ) private {
        Book storage book = _pendingBook(operator);
        address account = pending.account;
        uint256 most = _pending(book, account, pending, pendingProof);
        uint256 least = _current(book, account, current, currentProof) + _heldFromPending(book, account);
        uint256 atRisk = most.zeroFloorSub(least);
        // No account has more at risk than the whole root adds.
        uint256 added = book.purse.pendingTotal - book.head.total;
        if (atRisk > added) atRisk = added;
        if (amount > atRisk) revert BeyondHoldback(atRisk, amount);

        Earner storage earner = book.earners[account];
        uint24 epoch = book.head.epoch + 1;
        if (earner.heldEpoch != epoch) (earner.heldEpoch, earner.held) = (epoch, 0);
        earner.held += amount;
        earner.forfeited += amount;
        book.head.spent += amount;
        book.head.total += amount;
    }

    /// @dev Into the payer's escrow (which refuses nobody's), and out of the world.
    function _giveBack(address payer, uint256 refund, uint256 rest) private {
        if (refund != 0) {
            IERC1363(token).transferAndCall(address(ledger), refund, abi.encode(payer));
        }
        if (rest != 0) ERC20Burnable(token).burn(rest);
    }

    /// @dev The book of an operator whose pending root can still be stopped.
    function _pendingBook(address operator) private view returns (Book storage book) {
        book = _books[operator];
        if (!_isPending(book)) revert NothingPending();
        uint40 readyAt = book.purse.readyAt;
        if (block.timestamp >= readyAt) revert WindowOver(readyAt);
    }

    function _requireSigned(Book storage book, Credit calldata credit, bytes calldata signature) private view {
        bytes32 digest = _hashTypedData(
            keccak256(abi.encode(CREDIT_TYPEHASH, credit.operator, credit.account, credit.cumulative, credit.epoch))
        );
        address signer = ECDSA.tryRecoverCalldata(digest, signature);
        if (signer == address(0) || (signer != credit.operator && signer != book.publisher)) revert BadSignature();
    }

    function _payoutOf(address account) private view returns (address to) {
        to = accounts.payoutOf(account);
        if (to == address(0) && msg.sender == account) to = account;
        if (to == address(0)) revert NoPayout(account);
        if (to == address(this)) revert SelfAddress();
    }

    /// @dev Whether the root proposed last neither counts nor was cancelled.
    function _isPending(Book storage book) private view returns (bool) {
        return book.purse.pendingEpoch == uint256(book.head.epoch) + 1;
    }

    function _isReady(Book storage book) private view returns (bool) {
        return _isPending(book) && block.timestamp >= book.purse.readyAt;
    }

    function _currentRoot(Book storage book) private view returns (bytes32) {
        return book.roots[book.head.epoch & 1];
    }

    function _pendingRoot(Book storage book) private view returns (bytes32) {
        return book.roots[(book.head.epoch & 1) ^ 1];
    }

    /// @dev What was forfeited from `account` beyond the root that counts.
    function _heldFromPending(Book storage book, address account) private view returns (uint256) {
        Earner storage earner = book.earners[account];
        return earner.heldEpoch > book.head.epoch ? earner.held : 0;
    }

    /// @dev What the root that counts gives `account`; nothing before the first root.
    function _current(Book storage book, address account, Leaf calldata leaf, bytes32[] calldata proof)
        private
        view
        returns (uint256)
    {
        return book.head.epoch == 0 ? 0 : _given(_currentRoot(book), account, leaf, proof);
    }

    /// @dev What the pending root gives `account`.
    function _pending(Book storage book, address account, Leaf calldata leaf, bytes32[] calldata proof)
        private
        view
        returns (uint256)
    {
        return _given(_pendingRoot(book), account, leaf, proof);
    }

    /// @dev By the account's own leaf, or nothing by the leaf that leads past it.
    function _given(bytes32 root, address account, Leaf calldata leaf, bytes32[] calldata proof)
        private
        pure
        returns (uint256)
    {
        if (!_isIn(root, leaf, proof)) revert BadProof();
        if (leaf.account == account) return leaf.cumulative;
        bool leadsPast = leaf.account < account && (account < leaf.next || leaf.next == address(0));
        if (!leadsPast) revert BadProof();
        return 0;
    }

    /// @dev Leaves are hashed twice, so that no inner node passes for one.
    function _isIn(bytes32 root, Leaf calldata leaf, bytes32[] calldata proof) private pure returns (bool) {
        bytes32 once = EfficientHashLib.hash(
            uint256(uint160(leaf.account)), uint256(leaf.cumulative), uint256(uint160(leaf.next))
        );
        return MerkleProofLib.verifyCalldata(proof, root, EfficientHashLib.hash(once));
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("Vessel Payroll", "1");
    }
}
