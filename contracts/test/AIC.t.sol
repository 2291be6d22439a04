// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC1363} from "@openzeppelin/contracts/interfaces/IERC1363.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {ERC20Capped} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC1363Utils} from "@openzeppelin/contracts/token/ERC20/utils/ERC1363Utils.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {AIC} from "../src/AIC.sol";
import "./support/Receivers.sol";
import {Test} from "./support/Test.sol";

/// @dev One call that permits and spends, as a careful contract does it: a permit that was used already is no reason to fail.
contract PermitSpender {
    function take(AIC token, address from, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        try token.permit(from, address(this), amount, deadline, v, r, s) {} catch {}
        token.transferFrom(from, address(this), amount);
    }
}

contract AICTest is Test {
    uint256 private constant CAP = 10_000_000_000e18;
    uint256 private constant SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    struct Transfer {
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    AIC private token;
    address private owner = makeAddr("owner");
    address private holder;
    uint256 private holderKey;
    address private anyone = makeAddr("anyone");

    function setUp() public {
        (holder, holderKey) = makeKey("holder");
        token = new AIC(owner, holder, 1_000e18);
    }

    // What it is.

    function test_is_AIC_with_18_decimals() public view {
        assertEq(token.name(), "AIC");
        assertEq(token.symbol(), "AIC");
        assertEq(token.decimals(), 18);
        assertEq(token.cap(), CAP);
        assertEq(token.owner(), owner);
        assertEq(token.totalSupply(), 1_000e18);
        assertEq(token.balanceOf(holder), 1_000e18);
        assertTrue(token.supportsInterface(type(IERC1363).interfaceId));
        assertTrue(token.supportsInterface(type(IERC165).interfaceId));
        assertFalse(token.supportsInterface(0xffffffff));
    }

    function test_signs_under_the_name_AIC_version_1() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("AIC"),
                keccak256("1"),
                block.chainid,
                address(token)
            )
        );
        assertEq(token.DOMAIN_SEPARATOR(), domain);
    }

    // Supply and ownership.

    function test_attack_supply_beyond_10_billion() public {
        vm.startPrank(owner);
        token.mint(anyone, CAP - 1_000e18);
        assertEq(token.totalSupply(), CAP);
        vm.expectRevert(abi.encodeWithSelector(ERC20Capped.ERC20ExceededCap.selector, CAP + 1, CAP));
        token.mint(anyone, 1);
    }

    function test_attack_supply_beyond_10_billion_at_deployment() public {
        vm.expectRevert(abi.encodeWithSelector(ERC20Capped.ERC20ExceededCap.selector, CAP + 1, CAP));
        new AIC(owner, holder, CAP + 1);
    }

    function test_burning_makes_room_below_the_cap() public {
        vm.prank(owner);
        token.mint(anyone, CAP - 1_000e18);
        vm.prank(holder);
        token.burn(5);
        assertEq(token.totalSupply(), CAP - 5);
        vm.prank(owner);
        token.mint(anyone, 5);
        assertEq(token.totalSupply(), CAP);
    }

    function test_supply_is_what_was_minted_less_what_was_burnt(uint256 minted, uint256 burnt) public {
        minted = bound(minted, 0, CAP - 1_000e18);
        burnt = bound(burnt, 0, 1_000e18);
        vm.prank(owner);
        token.mint(anyone, minted);
        vm.prank(holder);
        token.burn(burnt);
        assertEq(token.totalSupply(), 1_000e18 + minted - burnt);
        assertEq(token.balanceOf(anyone), minted);
        assertLe(token.totalSupply(), CAP);
    }

    function test_attack_mint_by_anyone(address caller) public {
        vm.assume(caller != owner);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller));
        token.mint(caller, 1);
    }

    function test_ownership_moves_in_two_steps_and_can_be_given_up() public {
        vm.prank(owner);
        token.transferOwnership(anyone);
        assertEq(token.owner(), owner);
        vm.prank(anyone);
        token.acceptOwnership();
        assertEq(token.owner(), anyone);
        vm.prank(anyone);
        token.renounceOwnership();
        vm.prank(anyone);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, anyone));
        token.mint(anyone, 1);
    }

    // Permit.

    function test_attack_permit_front_run_bricks_a_batched_call() public {
        PermitSpender spender = new PermitSpender();
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(address(spender), 7e18, block.timestamp);
        vm.prank(anyone);
        token.permit(holder, address(spender), 7e18, block.timestamp, v, r, s);
        spender.take(token, holder, 7e18, block.timestamp, v, r, s);
        assertEq(token.balanceOf(address(spender)), 7e18);
        assertEq(token.nonces(holder), 1);
    }

    function test_attack_permit_replay() public {
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(anyone, 7e18, block.timestamp);
        token.permit(holder, anyone, 7e18, block.timestamp, v, r, s);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        token.permit(holder, anyone, 7e18, block.timestamp, v, r, s);
    }

    function test_permit_ends_one_second_after_its_deadline() public {
        uint256 deadline = block.timestamp + 100;
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(anyone, 7e18, deadline);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(ERC20Permit.ERC2612ExpiredSignature.selector, deadline));
        token.permit(holder, anyone, 7e18, deadline, v, r, s);
        vm.warp(deadline);
        token.permit(holder, anyone, 7e18, deadline, v, r, s);
        assertEq(token.allowance(holder, anyone), 7e18);
    }

    function test_attack_permit_signed_for_another_chain() public {
        (uint8 v, bytes32 r, bytes32 s) = _signPermit(anyone, 7e18, block.timestamp);
        vm.chainId(block.chainid + 1);
        vm.expectPartialRevert(ERC20Permit.ERC2612InvalidSigner.selector);
        token.permit(holder, anyone, 7e18, block.timestamp, v, r, s);
    }

    // Signed transfers (ERC-3009).

    function test_a_signed_transfer_moves_exactly_what_was_signed(uint256 value, bytes32 nonce) public {
        value = bound(value, 0, 1_000e18);
        Transfer memory t = _transfer(anyone, value);
        t.nonce = nonce;
        _submit(t);
        assertEq(token.balanceOf(anyone), value);
        assertEq(token.balanceOf(holder), 1_000e18 - value);
        assertTrue(token.authorizationState(holder, nonce));
    }

    function test_attack_erc3009_nonce_reuse() public {
        Transfer memory t = _transfer(anyone, 1e18);
        _submit(t);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, holder, t.nonce));
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);

        t.value = 2e18;
        (v, r, s) = _signTransfer(t);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, holder, t.nonce));
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
        assertEq(token.balanceOf(anyone), 1e18);
    }

    function test_attack_erc3009_use_after_cancel() public {
        Transfer memory t = _transfer(anyone, 1e18);
        bytes32 digest =
            _digest(keccak256(abi.encode(keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), holder, t.nonce)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(holderKey, digest);
        token.cancelAuthorization(holder, t.nonce, v, r, s);
        assertTrue(token.authorizationState(holder, t.nonce));
        (v, r, s) = _signTransfer(t);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, holder, t.nonce));
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
    }

    function test_attack_erc3009_cancel_by_someone_else() public {
        (, uint256 otherKey) = makeKey("other");
        bytes32 digest =
            _digest(keccak256(abi.encode(keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"), holder, bytes32(0))));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(otherKey, digest);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        token.cancelAuthorization(holder, 0, v, r, s);
    }

    function test_erc3009_is_valid_strictly_after_validAfter() public {
        Transfer memory t = _transfer(anyone, 1e18);
        t.validAfter = block.timestamp;
        _refuseForTime(t);
        t.validAfter = block.timestamp + 1;
        _refuseForTime(t);
        t.validAfter = block.timestamp - 1;
        _submit(t);
    }

    function test_erc3009_is_valid_strictly_before_validBefore() public {
        Transfer memory t = _transfer(anyone, 1e18);
        t.validBefore = block.timestamp;
        _refuseForTime(t);
        t.validBefore = block.timestamp - 1;
        _refuseForTime(t);
        t.validBefore = block.timestamp + 1;
        _submit(t);
    }

    function test_erc3009_bit_47_in_both_times_means_block_numbers() public {
        Transfer memory t = _transfer(anyone, 1e18);
        vm.roll(500);
        t.validAfter = (1 << 47) | 500;
        t.validBefore = (1 << 47) | 502;
        _refuseForTime(t);
        vm.roll(502);
        _refuseForTime(t);
        vm.roll(501);
        _submit(t);
    }

    function test_attack_erc3009_bit_47_in_one_time_only() public {
        Transfer memory t = _transfer(anyone, 1e18);
        // The start alone: a time no clock reaches.
        t.validAfter = (1 << 47) | 1;
        _refuseForTime(t);
        // The end alone: a time no clock reaches, so without end.
        t.validAfter = 0;
        t.validBefore = (1 << 47) | 1;
        _submit(t);
    }

    function test_attack_erc3009_s_malleability() public {
        Transfer memory t = _transfer(anyone, 1e18);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        bytes32 twin = bytes32(SECP256K1_ORDER - uint256(s));
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, twin));
        token.transferWithAuthorization(
            holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v == 27 ? 28 : 27, r, twin
        );
    }

    function test_attack_erc3009_signature_by_the_zero_address() public {
        vm.expectRevert(ECDSA.ECDSAInvalidSignature.selector);
        token.transferWithAuthorization(address(0), anyone, 0, 0, type(uint256).max, 0, 29, bytes32(uint256(1)), bytes32(uint256(1)));
    }

    function test_attack_erc3009_signed_for_another_chain_or_token() public {
        Transfer memory t = _transfer(anyone, 1e18);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        AIC other = new AIC(owner, holder, 1_000e18);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        other.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
    }

    function test_attack_erc3009_more_than_the_balance() public {
        Transfer memory t = _transfer(anyone, 1_000e18 + 1);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, holder, 1_000e18, 1_000e18 + 1)
        );
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
        assertFalse(token.authorizationState(holder, t.nonce));
    }

    function test_attack_erc3009_receive_submitted_by_another() public {
        TokenReceiver receiver = new TokenReceiver();
        Transfer memory t = _transfer(address(receiver), 1e18);
        (uint8 v, bytes32 r, bytes32 s) = _signReceive(t);
        vm.prank(anyone);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, receiver));
        token.receiveWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
        // A receive authorization is no transfer authorization.
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
    }

    // The call to a receiver.

    function test_a_signed_transfer_calls_an_erc1363_receiver_with_the_signer_as_sender() public {
        TokenReceiver receiver = new TokenReceiver();
        vm.startPrank(anyone);
        _submit(_transfer(address(receiver), 3e18));
        assertEq(receiver.calls(), 1);
        assertEq(receiver.operator(), anyone);
        assertEq(receiver.from(), holder);
        assertEq(receiver.value(), 3e18);
        assertEq(receiver.data(), "");
        assertEq(token.balanceOf(address(receiver)), 3e18);
    }

    function test_receiveWithAuthorization_calls_the_receiver_too() public {
        TokenReceiver receiver = new TokenReceiver();
        Transfer memory t = _transfer(address(receiver), 3e18);
        (uint8 v, bytes32 r, bytes32 s) = _signReceive(t);
        vm.prank(address(receiver));
        token.receiveWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
        assertEq(receiver.calls(), 1);
        assertEq(receiver.operator(), address(receiver));
        assertEq(receiver.from(), holder);
        assertEq(token.balanceOf(address(receiver)), 3e18);
    }

    function test_a_plain_transfer_calls_nobody() public {
        TokenReceiver receiver = new TokenReceiver();
        vm.prank(holder);
        token.transfer(address(receiver), 1e18);
        assertEq(receiver.calls(), 0);
    }

    function test_transferAndCall_calls_the_receiver_once_with_its_data() public {
        TokenReceiver receiver = new TokenReceiver();
        vm.prank(holder);
        token.transferAndCall(address(receiver), 1e18, hex"abcd");
        assertEq(receiver.calls(), 1);
        assertEq(receiver.data(), hex"abcd");
    }

    function test_a_contract_without_erc165_gets_a_plain_transfer() public {
        _expectPlainTransfer(address(new PlainContract()));
    }

    function test_a_contract_that_says_yes_to_everything_gets_a_plain_transfer() public {
        _expectPlainTransfer(address(new YesSayer()));
    }

    function test_precompiles_get_a_plain_transfer() public {
        for (uint160 i = 1; i <= 17; ++i) {
            _expectPlainTransfer(address(i));
        }
        _expectPlainTransfer(address(0x100));
    }

    function test_attack_supportsInterface_reverts() public {
        _expectPlainTransfer(address(new RevertingSupport()));
    }

    function test_attack_supportsInterface_return_bomb() public {
        _expectPlainTransfer(address(new BombSupport()));
    }

    function test_attack_supportsInterface_burns_gas() public {
        address hostile = address(new BurningSupport());
        uint256 before = gasleft();
        _expectPlainTransfer(hostile);
        // One question is all it gets: 30,000 gas.
        assertLt(before - gasleft(), 250_000);
    }

    function test_attack_supportsInterface_writes_or_reenters() public {
        WritingSupport hostile = new WritingSupport(address(token));
        _expectPlainTransfer(address(hostile));
        assertEq(hostile.written(), 0);
    }

    function test_attack_submitter_starves_the_question_so_that_a_payment_is_not_credited() public {
        SlowReceiver receiver = new SlowReceiver();
        Transfer memory t = _transfer(address(receiver), 1e18);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        bytes memory call_ = abi.encodeCall(
            token.transferWithAuthorization, (holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s)
        );
        uint256 id = vm.snapshotState();
        for (uint256 gas_ = 60_000; gas_ < 220_000; gas_ += 2_500) {
            (bool ok,) = address(token).call{gas: gas_}(call_);
            // Either all of it happened or nothing did.
            assertEq(receiver.calls(), ok ? 1 : 0);
            assertEq(token.balanceOf(address(receiver)), ok ? 1e18 : 0);
            vm.revertToState(id);
        }
        (bool done,) = address(token).call(call_);
        assertTrue(done);
        assertEq(receiver.calls(), 1);
    }

    function test_attack_receiver_refuses_a_signed_transfer() public {
        RefusingReceiver receiver = new RefusingReceiver();
        Transfer memory t = _transfer(address(receiver), 1e18);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        vm.expectRevert(RefusingReceiver.NoThanks.selector);
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
        // Nothing is lost, and the signature is not used up.
        assertEq(token.balanceOf(holder), 1_000e18);
        assertFalse(token.authorizationState(holder, t.nonce));
    }

    function test_attack_receiver_answers_with_another_selector() public {
        MuddledReceiver receiver = new MuddledReceiver();
        Transfer memory t = _transfer(address(receiver), 1e18);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        vm.expectRevert(abi.encodeWithSelector(ERC1363Utils.ERC1363InvalidReceiver.selector, receiver));
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
    }

    function test_attack_receiver_reenters_with_the_same_signature() public {
        ReenteringReceiver receiver = new ReenteringReceiver();
        Transfer memory t = _transfer(address(receiver), 1e18);
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        receiver.plan(
            address(token),
            abi.encodeCall(
                token.transferWithAuthorization, (holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s)
            )
        );
        _submit(t);
        assertTrue(receiver.reached());
        assertFalse(receiver.succeeded());
        assertEq(receiver.calls(), 1);
        assertEq(token.balanceOf(address(receiver)), 1e18);
    }

    function test_attack_receiver_reenters_by_sending_on_what_it_just_got() public {
        ReenteringReceiver receiver = new ReenteringReceiver();
        receiver.plan(address(token), abi.encodeCall(token.transfer, (anyone, 1e18)));
        _submit(_transfer(address(receiver), 1e18));
        // The balances were final before the call: it moved its own money, and no more.
        assertTrue(receiver.succeeded());
        assertEq(token.balanceOf(anyone), 1e18);
        assertEq(token.balanceOf(address(receiver)), 0);
        assertEq(token.totalSupply(), 1_000e18);
    }

    // Ether.

    function test_attack_ether_sent_or_forced_changes_nothing() public {
        vm.deal(address(this), 1 ether);
        (bool ok,) = address(token).call{value: 1 ether}("");
        assertFalse(ok);
        // As a contract that destroys itself, or a block's builder, can.
        vm.deal(address(token), 1 ether);
        assertEq(token.totalSupply(), 1_000e18);
        _submit(_transfer(anyone, 1e18));
        assertEq(token.balanceOf(anyone), 1e18);
    }

    function _transfer(address to, uint256 value) private view returns (Transfer memory) {
        return Transfer(to, value, block.timestamp - 10, block.timestamp + 10, keccak256("nonce"));
    }

    function _submit(Transfer memory t) private {
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
    }

    function _refuseForTime(Transfer memory t) private {
        (uint8 v, bytes32 r, bytes32 s) = _signTransfer(t);
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, t.validAfter, t.validBefore)
        );
        token.transferWithAuthorization(holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce, v, r, s);
    }

    function _expectPlainTransfer(address to) private {
        uint256 before = token.balanceOf(to);
        Transfer memory t = _transfer(to, 1e18);
        t.nonce = keccak256(abi.encode(to));
        _submit(t);
        assertEq(token.balanceOf(to), before + 1e18);
    }

    function _signTransfer(Transfer memory t) private view returns (uint8 v, bytes32 r, bytes32 s) {
        return _sign(
            "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)", t
        );
    }

    function _signReceive(Transfer memory t) private view returns (uint8 v, bytes32 r, bytes32 s) {
        return _sign(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)", t
        );
    }

    function _sign(string memory type_, Transfer memory t) private view returns (uint8 v, bytes32 r, bytes32 s) {
        return vm.sign(
            holderKey,
            _digest(
                keccak256(
                    abi.encode(keccak256(bytes(type_)), holder, t.to, t.value, t.validAfter, t.validBefore, t.nonce)
                )
            )
        );
    }

    function _signPermit(address spender, uint256 value, uint256 deadline)
        private
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        bytes32 type_ = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        return vm.sign(
            holderKey, _digest(keccak256(abi.encode(type_, holder, spender, value, token.nonces(holder), deadline)))
        );
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), structHash));
    }
}
