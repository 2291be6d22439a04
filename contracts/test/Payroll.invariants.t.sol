// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIC} from "../src/AIC.sol";
import {Payroll} from "../src/Payroll.sol";
import {IPayroll} from "../src/interfaces/IPayroll.sol";
import {PayrollSetup} from "./support/PayrollSetup.sol";
import {PayrollTree, Tree} from "./support/PayrollTree.sol";
import {Test} from "./support/Test.sol";

/// @title Two operators, some of them faulty now and then, four accounts, a court and a watchful public
/// @notice Keeps books of its own beside the contract's. Everything it calls must succeed; faulty roots are always challenged.
contract PayrollHandler is Test {
    using PayrollTree for Tree;

    uint256 public constant OPERATORS = 2;
    uint256 public constant ACCOUNTS = 4;

    /// @dev What one operator's payroll should look like.
    struct Ghost {
        uint256 fundedIn;
        uint256 takenOut;
        uint256 paidOut;
        uint256 forfeited;
        uint96[4] current;
        uint96[4] pending;
        /// @dev Forfeited beyond the root that counts.
        uint96[4] held;
        uint96[4] settledForfeits;
        uint96[4] paid;
        uint256 pendingTotal;
        uint256 readyAt;
        /// @dev The account a pending root takes something from, plus one.
        uint256 victim;
    }

    Payroll public immutable payroll;
    AIC public immutable aic;
    address public immutable court;
    address public immutable payer;

    Ghost[2] private _ghosts;
    uint256 public refunded;
    uint256 public burnt;
    uint256 public accepted;
    uint256 public challenged;

    constructor(Payroll payroll_, AIC aic_, address court_, address payer_) {
        (payroll, aic, court, payer) = (payroll_, aic_, court_, payer_);
        aic.approve(address(payroll), type(uint256).max);
    }

    function operatorAt(uint256 index) public pure returns (address) {
        return address(uint160(0xf0000 + index));
    }

    function accountAt(uint256 index) public pure returns (address) {
        return address(uint160(0x1000 * (index + 1)));
    }

    function ghost(uint256 op) external view returns (Ghost memory) {
        return _ghosts[op];
    }

    /// @dev The actions, for targetSelector.
    function actions() external pure returns (bytes4[] memory list) {
        list = new bytes4[](9);
        (list[0], list[1], list[2]) = (this.fund.selector, this.defund.selector, this.propose.selector);
        (list[3], list[4], list[5]) = (this.cancel.selector, this.accept.selector, this.claim.selector);
        (list[6], list[7], list[8]) = (this.forfeit.selector, this.wait.selector, this.challenge.selector);
    }

    // ------------------------------------------------------------------------------------------------ actions

    function fund(uint256 op, uint96 amount) external {
        _fund(op % OPERATORS, bound(amount, 0, 1000 ether));
    }

    function defund(uint256 op, uint256 amount) external {
        Ghost storage g = _now(op % OPERATORS);
        uint256 free = g.fundedIn - g.takenOut - _allocated(g);
        amount = bound(amount, 0, free);
        g.takenOut += amount;
        vm.prank(operatorAt(op % OPERATORS));
        payroll.defund(amount, address(this));
    }

    function propose(uint256 op, uint80[4] calldata added, bool isFaulty, uint256 victim) external {
        op %= OPERATORS;
        Ghost storage g = _now(op);
        if (g.readyAt != 0) return;
        uint256 total = 0;
        for (uint256 i = 0; i < ACCOUNTS; i++) {
            g.pending[i] = g.current[i] + g.held[i] + uint96(bound(added[i], 0, 1000 ether));
            total += g.pending[i];
        }
        g.victim = 0;
        victim %= ACCOUNTS;
        uint96 floor = g.current[victim] + g.held[victim];
        if (isFaulty && floor > 0) {
            g.victim = victim + 1;
            g.pending[(victim + 1) % ACCOUNTS] += g.pending[victim] - (floor - 1);
            g.pending[victim] = floor - 1;
        }
        uint256 here = g.fundedIn - g.takenOut;
        if (here < total) _fund(op, total - here);
        uint32 epoch = payroll.currentOf(operatorAt(op)).epoch + 1;
        Tree memory tree = _treeOf(g.pending);
        (g.pendingTotal, g.readyAt) = (total, block.timestamp + payroll.window());
        vm.prank(operatorAt(op));
        payroll.propose(operatorAt(op), tree.root(), uint96(total), epoch);
    }

    function cancel(uint256 op) external {
        op %= OPERATORS;
        Ghost storage g = _now(op);
        if (g.readyAt == 0) return;
        g.readyAt = 0;
        vm.prank(operatorAt(op));
        payroll.cancel(operatorAt(op));
    }

    function accept(uint256 op) external {
        op %= OPERATORS;
        uint256 readyAt = _ghosts[op].readyAt;
        _now(op);
        // Settled by the clock in our books; in the contract's perhaps not yet.
        if (readyAt != 0 && readyAt <= block.timestamp) payroll.accept(operatorAt(op));
    }

    function claim(uint256 op, uint256 who) external {
        (op, who) = (op % OPERATORS, who % ACCOUNTS);
        Ghost storage g = _now(op);
        uint256 due = dueTo(op, who);
        if (due == 0) return;
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = _treeOf(g.current).evidence(accountAt(who));
        g.paid[who] += uint96(due);
        g.paidOut += due;
        vm.prank(accountAt(who));
        assertEq(payroll.claim(operatorAt(op), leaf, proof), due);
    }

    function forfeit(uint256 op, uint256 who, uint96 amount, uint96 refund) external {
        (op, who) = (op % OPERATORS, who % ACCOUNTS);
        Ghost storage g = _now(op);
        if (g.readyAt == 0) return;
        uint96 safe = g.current[who] + g.held[who];
        if (g.pending[who] <= safe) return;
        amount = uint96(bound(amount, 0, g.pending[who] - safe));
        if (amount > g.pendingTotal - _settledTotal(g)) return;
        refund = uint96(bound(refund, 0, amount));
        g.held[who] += amount;
        g.forfeited += amount;
        refunded += refund;
        burnt += amount - refund;
        _forfeit(op, who, amount, refund);
    }

    /// @dev Time passes. Whoever watches challenges a faulty root before its window ends.
    function wait(uint256 time) external {
        time = bound(time, 1, 2 * uint256(payroll.window()));
        for (uint256 op = 0; op < OPERATORS; op++) {
            Ghost storage g = _now(op);
            if (g.readyAt != 0 && g.victim != 0 && block.timestamp + time >= g.readyAt) _challenge(op);
        }
        skip(time);
    }

    function challenge(uint256 op) external {
        op %= OPERATORS;
        Ghost storage g = _now(op);
        if (g.readyAt != 0 && g.victim != 0) _challenge(op);
    }

    // ------------------------------------------------------------------------------------------------ books

    /// @dev What the account could claim at this moment.
    function dueTo(uint256 op, uint256 who) public view returns (uint256) {
        Ghost storage g = _ghosts[op];
        bool isOver = g.readyAt != 0 && g.readyAt <= block.timestamp;
        uint256 given = isOver ? g.pending[who] : g.current[who];
        uint256 lost = g.settledForfeits[who] + (isOver ? g.held[who] : 0);
        return given - lost - g.paid[who];
    }

    /// @dev The books after a root whose window is over was accepted.
    function _now(uint256 op) private returns (Ghost storage g) {
        g = _ghosts[op];
        if (g.readyAt == 0 || block.timestamp < g.readyAt) return g;
        for (uint256 i = 0; i < ACCOUNTS; i++) {
            assertGe(g.pending[i], g.current[i], "a cumulative amount fell");
            g.settledForfeits[i] += g.held[i];
            g.held[i] = 0;
        }
        g.current = g.pending;
        g.readyAt = 0;
        accepted++;
    }

    function _settledTotal(Ghost storage g) private view returns (uint256 total) {
        for (uint256 i = 0; i < ACCOUNTS; i++) total += uint256(g.current[i]) + g.held[i];
    }

    function _allocated(Ghost storage g) private view returns (uint256) {
        return g.readyAt == 0 ? _settledTotal(g) : g.pendingTotal;
    }

    function _fund(uint256 op, uint256 amount) private {
        _ghosts[op].fundedIn += amount;
        payroll.fund(operatorAt(op), amount);
    }

    function _challenge(uint256 op) private {
        Ghost storage g = _ghosts[op];
        address account = accountAt(g.victim - 1);
        (IPayroll.Leaf memory before, bytes32[] memory beforeProof) = _treeOf(g.current).evidence(account);
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = _treeOf(g.pending).evidence(account);
        g.readyAt = 0;
        challenged++;
        payroll.challengeFall(operatorAt(op), account, before, beforeProof, leaf, proof);
    }

    function _forfeit(uint256 op, uint256 who, uint96 amount, uint96 refund) private {
        Ghost storage g = _ghosts[op];
        (IPayroll.Leaf memory before, bytes32[] memory beforeProof) = _treeOf(g.current).evidence(accountAt(who));
        (IPayroll.Leaf memory leaf, bytes32[] memory proof) = _treeOf(g.pending).evidence(accountAt(who));
        vm.prank(court);
        payroll.forfeit(operatorAt(op), leaf, proof, before, beforeProof, amount, payer, refund, "");
    }

    /// @dev Accounts without anything are left out, so that missing ones are met too.
    function _treeOf(uint96[4] memory amounts) private pure returns (Tree memory) {
        uint256 count = 0;
        for (uint256 i = 0; i < ACCOUNTS; i++) if (amounts[i] != 0) count++;
        address[] memory who = new address[](count);
        uint96[] memory much = new uint96[](count);
        count = 0;
        for (uint256 i = 0; i < ACCOUNTS; i++) {
            if (amounts[i] != 0) (who[count], much[count++]) = (accountAt(i), amounts[i]);
        }
        return PayrollTree.build(who, much);
    }
}

/// @title What always holds for a payroll
contract PayrollInvariantsTest is PayrollSetup {
    PayrollHandler private _handler;

    function setUp() public override {
        super.setUp();
        // The handler's operators are the only ones.
        vm.prank(operator);
        payroll.defund(1000, address(this));
        _handler = new PayrollHandler(payroll, aic, court, payer);
        aic.mint(address(_handler), 9_000_000_000 ether);
        targetContract(address(_handler));
        targetSelector(FuzzSelector(address(_handler), _handler.actions()));
    }

    /// Every wei is in one place: with the payroll for one operator, paid to an account, refunded to a payer, or burnt.
    function invariant_EveryWeiIsInOnePlace() public view {
        uint256 held = 0;
        uint256 paid = 0;
        for (uint256 op = 0; op < _handler.OPERATORS(); op++) {
            address who = _handler.operatorAt(op);
            held += payroll.fundedOf(who) - payroll.spentOf(who);
        }
        for (uint256 i = 0; i < _handler.ACCOUNTS(); i++) paid += aic.balanceOf(_handler.accountAt(i));
        assertEq(aic.balanceOf(address(payroll)), held);
        assertEq(ledger.balanceOf(payer), _handler.refunded());
        assertEq(aic.balanceOf(address(ledger)), _handler.refunded());
        uint256 supply = 9_001_000_000 ether - _handler.burnt();
        assertEq(aic.totalSupply(), supply);
        uint256 outside = aic.balanceOf(address(_handler)) + aic.balanceOf(address(this));
        assertEq(held + paid + _handler.refunded() + outside, supply);
    }

    /// Paid out ≤ allocated ≤ paid in, operator by operator.
    function invariant_PaidOutIsAtMostPaidIn() public view {
        for (uint256 op = 0; op < _handler.OPERATORS(); op++) {
            address who = _handler.operatorAt(op);
            assertLe(payroll.spentOf(who), payroll.currentOf(who).total);
            assertLe(payroll.currentOf(who).total, payroll.fundedOf(who));
            assertLe(payroll.pendingOf(who).total, payroll.fundedOf(who));
        }
    }

    /// What one operator put in, took out and paid is in its own book and in no other's.
    function invariant_OperatorsAreApart() public view {
        for (uint256 op = 0; op < _handler.OPERATORS(); op++) {
            PayrollHandler.Ghost memory g = _handler.ghost(op);
            address who = _handler.operatorAt(op);
            assertEq(payroll.fundedOf(who), g.fundedIn - g.takenOut);
            assertEq(payroll.spentOf(who), g.paidOut + g.forfeited);
        }
    }

    /// Each account was paid what our books say, and what is due to it can be paid now.
    function invariant_EveryAccountCanBePaid() public view {
        for (uint256 op = 0; op < _handler.OPERATORS(); op++) {
            PayrollHandler.Ghost memory g = _handler.ghost(op);
            address who = _handler.operatorAt(op);
            uint256 due = 0;
            for (uint256 i = 0; i < _handler.ACCOUNTS(); i++) {
                (uint96 paid, uint96 forfeited) = payroll.paidOf(who, _handler.accountAt(i));
                assertEq(paid, g.paid[i]);
                assertEq(forfeited, g.settledForfeits[i] + g.held[i]);
                due += _handler.dueTo(op, i);
            }
            assertLe(payroll.spentOf(who) + due, payroll.currentOf(who).total);
        }
    }
}
