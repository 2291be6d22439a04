// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Accounts} from "../../src/Accounts.sol";
import {AIC} from "../../src/AIC.sol";
import {ComputeLedger} from "../../src/ComputeLedger.sol";
import {IComputeLedger} from "../../src/interfaces/IComputeLedger.sol";
import {Test} from "./Test.sol";

/// @title A ledger with a payer, a session key and payees, and the signatures they need
/// @notice Digests are computed here in the plain way, so that every accepted voucher also proves the contract's own hashing.
abstract contract LedgerFixture is Test {
    uint40 internal constant WINDOW = 1 days;
    uint256 internal constant FUNDS = 1_000 ether;

    AIC internal token;
    Accounts internal accounts;
    ComputeLedger internal ledger;

    address internal payer;
    uint256 internal payerKey;
    address internal session;
    uint256 internal sessionKey;
    address internal alice;
    address internal bob;
    address internal carol;
    address internal stranger;
    uint40 internal expiry;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        token = new AIC(address(this), address(0xdead), 1);
        accounts = new Accounts();
        ledger = new ComputeLedger(address(token), accounts, WINDOW);
        (payer, payerKey) = makeKey("payer");
        (session, sessionKey) = makeKey("session");
        alice = makeAddr("alice");
        bob = makeAddr("bob");
        carol = makeAddr("carol");
        stranger = makeAddr("stranger");
        expiry = uint40(block.timestamp + 7 days);
        token.mint(payer, FUNDS);
        vm.prank(payer);
        token.approve(address(ledger), type(uint256).max);
    }

    // Doing.

    function depositAll() internal {
        vm.prank(payer);
        ledger.deposit(payer, FUNDS);
    }

    /// @dev The payer puts everything in and sets `cap` aside for the session key.
    function open(uint96 cap) internal {
        depositAll();
        vm.prank(payer);
        ledger.authorize(session, cap, expiry);
    }

    function claim(IComputeLedger.Voucher memory voucher) internal returns (uint256) {
        return ledger.claim(voucher, sign(voucher));
    }

    function setPayout(address account, address payout) internal {
        vm.prank(account);
        accounts.setPayout(account, payout);
    }

    function afterWindow() internal {
        vm.warp(uint256(expiry) + WINDOW);
    }

    // Vouchers.

    function pay(address payee, uint96 cumulative) internal view returns (IComputeLedger.Voucher memory voucher) {
        voucher = list(1);
        voucher.payments[0] = IComputeLedger.Payment(payee, cumulative);
        voucher.total = cumulative;
    }

    function pay(address first, uint96 firstCumulative, address second, uint96 secondCumulative)
        internal
        view
        returns (IComputeLedger.Voucher memory voucher)
    {
        voucher = list(2);
        voucher.payments[0] = IComputeLedger.Payment(first, firstCumulative);
        voucher.payments[1] = IComputeLedger.Payment(second, secondCumulative);
        voucher.total = firstCumulative + secondCumulative;
    }

    function list(uint256 payees) internal view returns (IComputeLedger.Voucher memory voucher) {
        voucher.payer = payer;
        voucher.payments = new IComputeLedger.Payment[](payees);
    }

    function channel() internal view returns (IComputeLedger.Channel[] memory channels) {
        channels = new IComputeLedger.Channel[](1);
        channels[0] = IComputeLedger.Channel(payer, session);
    }

    // Signatures.

    function sign(IComputeLedger.Voucher memory voucher) internal view returns (bytes memory) {
        return signWith(sessionKey, digestOf(voucher));
    }

    function signWith(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function digestOf(IComputeLedger.Voucher memory voucher) internal view returns (bytes32) {
        return digestAt(voucher, block.chainid, address(ledger));
    }

    function digestAt(IComputeLedger.Voucher memory voucher, uint256 chainId, address place)
        internal
        pure
        returns (bytes32)
    {
        bytes memory payments;
        for (uint256 i = 0; i < voucher.payments.length; ++i) {
            payments = bytes.concat(
                payments,
                keccak256(
                    abi.encode(
                        keccak256("Payment(address payee,uint96 cumulative)"),
                        voucher.payments[i].payee,
                        voucher.payments[i].cumulative
                    )
                )
            );
        }
        bytes32 typeHash =
            keccak256("Voucher(address payer,uint96 total,Payment[] payments)Payment(address payee,uint96 cumulative)");
        return typed(keccak256(abi.encode(typeHash, voucher.payer, voucher.total, keccak256(payments))), chainId, place);
    }

    function authorizationDigest(address payer_, address key, uint96 cap, uint40 expiry_)
        internal
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256("Authorization(address payer,address sessionKey,uint96 cap,uint40 expiry)");
        return typed(keccak256(abi.encode(typeHash, payer_, key, cap, expiry_)), block.chainid, address(ledger));
    }

    function typed(bytes32 structHash, uint256 chainId, address place) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Vessel"),
                keccak256("1"),
                chainId,
                place
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    // Reading.

    function claimedOf(address payee) internal view returns (uint256 claimed) {
        (claimed,) = ledger.channelOf(payer, session, payee);
    }

    function spent() internal view returns (uint256) {
        return ledger.authorizationOf(payer, session).spent;
    }

    /// @dev Everything the ledger owes for this payer and session key, to whomever.
    function owed() internal view returns (uint256 sum) {
        IComputeLedger.Authorization memory authorization = ledger.authorizationOf(payer, session);
        sum = ledger.balanceOf(payer) + authorization.cap - authorization.spent;
        address[4] memory payees = [alice, bob, carol, payer];
        for (uint256 i = 0; i < payees.length; ++i) {
            (uint256 claimed, uint256 paidOut) = ledger.channelOf(payer, session, payees[i]);
            sum += claimed - paidOut;
        }
    }
}
