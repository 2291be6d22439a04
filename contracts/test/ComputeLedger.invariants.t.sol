// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accounts} from "../src/Accounts.sol";
import {AIC} from "../src/AIC.sol";
import {ComputeLedger} from "../src/ComputeLedger.sol";
import {IComputeLedger} from "../src/interfaces/IComputeLedger.sol";
import {LedgerFixture} from "./support/LedgerFixture.sol";
import {Test} from "./support/Test.sol";

/// @title Does random things to a ledger, and keeps books of its own beside it
/// @notice Two payers, two session keys that both payers use, three payees of which one is a payer. Every call is one that must
/// succeed, or one of which the refusal is checked here. The ghost books are kept in the plainest way: they know what was signed and
/// what moved, never what the ledger says.
contract LedgerHandler is LedgerFixture {
    uint256 private constant PAYERS = 2;
    uint256 private constant KEYS = 2;
    uint256 private constant PAYEES = 3;

    struct Signed {
        IComputeLedger.Voucher voucher;
        bytes signature;
    }

    address[PAYERS] public payers;
    address[KEYS] public keys;
    address[PAYEES] public payees;
    address[KEYS] public gates;
    uint256[KEYS] private _secrets;
    Signed[] private _signed;

    // The ghost books.
    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public donated;
    mapping(address payer => uint256) public free;
    mapping(address payer => mapping(address key => uint256)) public cap;
    mapping(address payer => mapping(address key => uint256)) public spentOf;
    mapping(address payer => mapping(address key => uint256)) public expiryOf;
    mapping(address payer => mapping(address key => bool)) public closed;
    mapping(address payer => mapping(address key => mapping(address payee => uint256))) public claimed;
    mapping(address payer => mapping(address key => mapping(address payee => uint256))) public paid;
    /// How often each kind of call did something, to see that a run is not empty.
    mapping(bytes32 what => uint256) public done;

    constructor() {
        LedgerFixture.setUp();
        payers = [makeAddr("first payer"), makeAddr("second payer")];
        payees = [makeAddr("first payee"), makeAddr("second payee"), payers[0]];
        for (uint256 i = 0; i < KEYS; ++i) {
            (keys[i], _secrets[i]) = makeKey(i == 0 ? "first key" : "second key");
            gates[i] = ledger.openGate(keys[i], uint40(i + 1) * 2 days);
        }
        for (uint256 i = 0; i < PAYERS; ++i) {
            vm.prank(payers[i]);
            token.approve(address(ledger), type(uint256).max);
        }
    }

    function setUp() public override {}

    function books() external view returns (ComputeLedger, AIC, Accounts) {
        return (ledger, token, accounts);
    }

    function calls() external pure returns (bytes4[] memory selectors) {
        selectors = new bytes4[](14);
        selectors[0] = this.deposit.selector;
        selectors[1] = this.depositByCall.selector;
        selectors[2] = this.withdraw.selector;
        selectors[3] = this.authorize.selector;
        selectors[4] = this.revoke.selector;
        selectors[5] = this.release.selector;
        selectors[6] = this.claimNew.selector;
        selectors[7] = this.claimOld.selector;
        selectors[8] = this.claimInBatch.selector;
        selectors[9] = this.payOut.selector;
        selectors[10] = this.payOutIntoEscrow.selector;
        selectors[11] = this.payGate.selector;
        selectors[12] = this.donate.selector;
        selectors[13] = this.pass.selector;
    }

    // ---- what can happen

    function deposit(uint256 by, uint256 to, uint256 amount) external {
        (address from, address credited) = (payers[by % PAYERS], payers[to % PAYERS]);
        amount = bound(amount, 0, 1_000 ether);
        token.mint(from, amount);
        vm.prank(from);
        ledger.deposit(credited, amount);
        free[credited] += amount;
        paidIn += amount;
    }

    function depositByCall(uint256 by, uint256 to, uint256 amount, uint256 form) external {
        (address from, address credited) = (payers[by % PAYERS], payers[to % PAYERS]);
        if (form % 3 == 0) credited = from;
        bytes memory data = form % 3 == 0 ? bytes("") : form % 3 == 1 ? abi.encode(credited) : abi.encodePacked(credited);
        amount = bound(amount, 0, 1_000 ether);
        token.mint(from, amount);
        vm.prank(from);
        token.transferAndCall(address(ledger), amount, data);
        free[credited] += amount;
        paidIn += amount;
    }

    function withdraw(uint256 by, uint256 amount) external {
        address from = payers[by % PAYERS];
        amount = bound(amount, 0, free[from]);
        vm.prank(from);
        ledger.withdraw(amount, stranger);
        free[from] -= amount;
        paidOut += amount;
    }

    function authorize(uint256 by, uint256 which, uint256 amount, uint256 validity) external {
        (address from, address key) = (payers[by % PAYERS], keys[which % KEYS]);
        uint256 newCap = cap[from][key] + bound(amount, 0, free[from]);
        uint256 newExpiry = block.timestamp + bound(validity, 1, 10 days);
        if (newExpiry < expiryOf[from][key]) newExpiry = expiryOf[from][key];
        if (closed[from][key]) vm.expectRevert(IComputeLedger.AuthorizationClosed.selector);
        vm.prank(from);
        ledger.authorize(key, uint96(newCap), uint40(newExpiry));
        if (closed[from][key]) return;
        free[from] -= newCap - cap[from][key];
        cap[from][key] = newCap;
        expiryOf[from][key] = newExpiry;
        ++done["authorize"];
    }

    /// @dev Rarely: a closed key stays closed.
    function revoke(uint256 by, uint256 which, uint256 chance) external {
        if (chance % 4 != 0) return;
        (address from, address key) = (payers[by % PAYERS], keys[which % KEYS]);
        vm.prank(from);
        ledger.revoke(key);
        closed[from][key] = true;
        if (expiryOf[from][key] > block.timestamp) expiryOf[from][key] = block.timestamp;
        ++done["revoke"];
    }

    function release(uint256 by, uint256 which) external {
        (address from, address key) = (payers[by % PAYERS], keys[which % KEYS]);
        bool isOver = expiryOf[from][key] != 0 && block.timestamp >= expiryOf[from][key] + WINDOW;
        if (!isOver) {
            vm.expectRevert();
            ledger.release(from, key);
            return;
        }
        uint256 rest = cap[from][key] - spentOf[from][key];
        assertEq(ledger.release(from, key), rest);
        free[from] += rest;
        cap[from][key] = spentOf[from][key];
        closed[from][key] = true;
        ++done["release"];
    }

    /// @dev A voucher such as a payer signs, except that amounts may also fall, exceed the cap, and name a payee twice.
    function claimNew(uint256 by, uint256 which, uint256 length, uint256 seed) external {
        uint256 k = which % KEYS;
        Signed storage signed = _signed.push();
        signed.voucher.payer = payers[by % PAYERS];
        for (uint256 i = 0; i < length % 5; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            address payee = payees[random % PAYEES];
            uint256 now_ = claimed[signed.voucher.payer][keys[k]][payee];
            uint256 cumulative = bound(random >> 8, 0, now_ + 100 ether);
            signed.voucher.payments.push(IComputeLedger.Payment(payee, uint96(cumulative)));
        }
        signed.signature = signWith(_secrets[k], digestOf(signed.voucher));
        _claim(signed, k, by);
    }

    function claimOld(uint256 which, uint256 by) external {
        if (_signed.length == 0) return;
        Signed storage signed = _signed[which % _signed.length];
        // Who signed it is known by trying both: the handler is not told by the ledger.
        bytes32 digest = digestOf(signed.voucher);
        bool isFirst = keccak256(signWith(_secrets[0], digest)) == keccak256(signed.signature);
        _claim(signed, isFirst ? 0 : 1, by);
        ++done["claimOld"];
    }

    /// @dev Every voucher so far once more, some of them spoilt.
    function claimInBatch(uint256 first, uint256 length, uint256 spoil) external {
        length = bound(length, 0, _signed.length < 4 ? _signed.length : 4);
        IComputeLedger.Voucher[] memory vouchers = new IComputeLedger.Voucher[](length);
        bytes[] memory signatures = new bytes[](length);
        uint256 expected = 0;
        for (uint256 i = 0; i < length; ++i) {
            Signed storage signed = _signed[(first % _signed.length + i) % _signed.length];
            (vouchers[i], signatures[i]) = (signed.voucher, signed.signature);
            if (spoil >> i & 1 == 1) {
                signatures[i][0] ^= 0x01;
                continue;
            }
            bool isFirst =
                keccak256(signWith(_secrets[0], digestOf(signed.voucher))) == keccak256(signed.signature);
            expected += _book(signed.voucher, keys[isFirst ? 0 : 1]);
        }
        assertEq(ledger.claimBatch(vouchers, signatures), expected);
        ++done["claimInBatch"];
    }

    function payOut(uint256 to, uint256 by) external {
        address payee = payees[to % PAYEES];
        address receiver = accounts.payoutOf(payee);
        if (by % 5 == 0) {
            setPayout(payee, stranger);
            receiver = stranger;
        }
        uint256 sum = _bookPayOut(payee);
        uint256 before = token.balanceOf(receiver == address(0) ? payee : receiver);
        vm.prank(receiver == address(0) ? payee : address(uint160(by | 1)));
        assertEq(ledger.payOut(payee, _allChannels()), sum);
        assertEq(token.balanceOf(receiver == address(0) ? payee : receiver), before + sum);
        paidOut += sum;
        if (sum != 0) ++done["payOut"];
    }

    /// @dev A transfer from the ledger to itself.
    function payOutIntoEscrow(uint256 to, uint256 credited) external {
        address payee = payees[to % PAYEES];
        uint256 sum = _bookPayOut(payee);
        vm.prank(payee);
        ledger.payOutAndCall(_allChannels(), address(ledger), abi.encode(payers[credited % PAYERS]));
        free[payers[credited % PAYERS]] += sum;
    }

    function payGate(uint256 by, uint256 which, uint256 amount) external {
        uint256 k = which % KEYS;
        (address from, address key) = (payers[by % PAYERS], keys[k]);
        amount = bound(amount, 1, 100 ether);
        token.mint(from, amount);
        vm.prank(from);
        token.transferAndCall(gates[k], amount);
        paidIn += amount;
        if (closed[from][key]) {
            free[from] += amount;
            return;
        }
        cap[from][key] += amount;
        uint256 newExpiry = block.timestamp + (k + 1) * 2 days;
        if (newExpiry > expiryOf[from][key]) expiryOf[from][key] = newExpiry;
        ++done["payGate"];
    }

    /// @dev A plain transfer, which belongs to nobody; and ETH.
    function donate(uint256 amount) external {
        amount = bound(amount, 0, 1 ether);
        token.mint(address(ledger), amount);
        donated += amount;
        vm.deal(address(ledger), address(ledger).balance + 1);
    }

    function pass(uint256 time) external {
        skip(bound(time, 1, 2 days));
    }

    // ---- the ghost's own claim

    function _claim(Signed storage signed, uint256 k, uint256 by) private {
        address from = signed.voucher.payer;
        address key = keys[k];
        uint256 until = expiryOf[from][key] + WINDOW;
        if (expiryOf[from][key] == 0 || block.timestamp >= until) {
            vm.expectRevert();
            ledger.claim(signed.voucher, signed.signature);
            return;
        }
        uint256 expected = _book(signed.voucher, key);
        vm.prank(address(uint160(by | 1)));
        assertEq(ledger.claim(signed.voucher, signed.signature), expected);
        if (expected != 0) ++done["claim"];
    }

    function _book(IComputeLedger.Voucher memory voucher, address key) private returns (uint256 sum) {
        address from = voucher.payer;
        if (block.timestamp >= expiryOf[from][key] + WINDOW) return 0;
        for (uint256 i = 0; i < voucher.payments.length; ++i) {
            address payee = voucher.payments[i].payee;
            uint256 before = claimed[from][key][payee];
            uint256 wanted = voucher.payments[i].cumulative;
            uint256 most = before + cap[from][key] - spentOf[from][key];
            uint256 after_ = wanted < before ? before : wanted > most ? most : wanted;
            claimed[from][key][payee] = after_;
            spentOf[from][key] += after_ - before;
            sum += after_ - before;
        }
    }

    function _bookPayOut(address payee) private returns (uint256 sum) {
        for (uint256 p = 0; p < PAYERS; ++p) {
            for (uint256 k = 0; k < KEYS; ++k) {
                uint256 all = claimed[payers[p]][keys[k]][payee];
                sum += all - paid[payers[p]][keys[k]][payee];
                paid[payers[p]][keys[k]][payee] = all;
            }
        }
    }

    function _allChannels() private view returns (IComputeLedger.Channel[] memory channels) {
        channels = new IComputeLedger.Channel[](PAYERS * KEYS);
        for (uint256 i = 0; i < channels.length; ++i) {
            channels[i] = IComputeLedger.Channel(payers[i / KEYS], keys[i % KEYS]);
        }
    }
}

contract ComputeLedgerInvariantsTest is Test {
    LedgerHandler private handler;
    ComputeLedger private ledger;
    AIC private token;
    Accounts private accounts;

    function setUp() public {
        handler = new LedgerHandler();
        (ledger, token, accounts) = handler.books();
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), handler.calls()));
    }

    /// Every wei is in exactly one place: free, set aside, or earned and not yet paid (and what was merely dropped here).
    function invariant_everyWeiIsInOnePlace() public view {
        uint256 sum = handler.donated();
        for (uint256 p = 0; p < 2; ++p) {
            address payer = handler.payers(p);
            sum += ledger.balanceOf(payer);
            for (uint256 k = 0; k < 2; ++k) {
                address key = handler.keys(k);
                IComputeLedger.Authorization memory authorization = ledger.authorizationOf(payer, key);
                sum += authorization.cap - authorization.spent;
                for (uint256 i = 0; i < 3; ++i) {
                    (uint256 claimed, uint256 paidOut) = ledger.channelOf(payer, key, handler.payees(i));
                    sum += claimed - paidOut;
                }
            }
        }
        assertEq(token.balanceOf(address(ledger)), sum);
        assertEq(token.balanceOf(handler.gates(0)) + token.balanceOf(handler.gates(1)), 0, "gates keep nothing");
    }

    function invariant_paidOutIsAtMostPaidIn() public view {
        assertLe(handler.paidOut(), handler.paidIn());
        assertEq(token.balanceOf(address(ledger)), handler.paidIn() - handler.paidOut() + handler.donated());
    }

    function invariant_spentIsAtMostTheCapAndIsWhatPayeesHave() public view {
        for (uint256 p = 0; p < 2; ++p) {
            for (uint256 k = 0; k < 2; ++k) {
                (address payer, address key) = (handler.payers(p), handler.keys(k));
                IComputeLedger.Authorization memory authorization = ledger.authorizationOf(payer, key);
                assertLe(authorization.spent, authorization.cap);
                uint256 sum = 0;
                for (uint256 i = 0; i < 3; ++i) {
                    (uint256 claimed, uint256 paidOut) = ledger.channelOf(payer, key, handler.payees(i));
                    assertLe(paidOut, claimed);
                    sum += claimed;
                }
                assertEq(authorization.spent, sum);
            }
        }
    }

    /// The ghost books, in which amounts only rise and a voucher counts once, say the same as the ledger.
    function invariant_ledgerEqualsTheGhostBooks() public view {
        for (uint256 p = 0; p < 2; ++p) {
            address payer = handler.payers(p);
            assertEq(ledger.balanceOf(payer), handler.free(payer), "free");
            for (uint256 k = 0; k < 2; ++k) {
                address key = handler.keys(k);
                IComputeLedger.Authorization memory authorization = ledger.authorizationOf(payer, key);
                assertEq(authorization.cap, handler.cap(payer, key), "cap");
                assertEq(authorization.spent, handler.spentOf(payer, key), "spent");
                assertEq(authorization.expiry, handler.expiryOf(payer, key), "expiry");
                assertEq(authorization.closed, handler.closed(payer, key), "closed");
                for (uint256 i = 0; i < 3; ++i) {
                    address payee = handler.payees(i);
                    (uint256 claimed, uint256 paidOut) = ledger.channelOf(payer, key, payee);
                    assertEq(claimed, handler.claimed(payer, key, payee), "claimed");
                    assertEq(paidOut, handler.paid(payer, key, payee), "paid");
                }
            }
        }
    }
}
