// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";
import {Accounts} from "../src/Accounts.sol";
import {IAccounts} from "../src/interfaces/IAccounts.sol";
import {Test} from "./support/Test.sol";

contract AccountsTest is Test {
    uint256 private constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    uint256 private constant DEVICE = 0xdef1ce;
    uint256 private constant SECOND = 0x5ec0;
    uint256 private constant PASSKEY = 0xbeefcafe;

    Accounts private accounts;
    address private payout = makeAddr("payout");
    address private wallet = makeAddr("wallet");
    address private anyone = makeAddr("anyone");
    address private device = _account(DEVICE);
    uint256 private deadline;

    function setUp() public {
        accounts = new Accounts();
        deadline = block.timestamp + 100;
    }

    // Who may name a payout address.

    function test_a_device_names_its_payout_address_and_anyone_submits_it() public {
        assertEq(accounts.payoutOf(device), address(0));
        IAccounts.DeviceSignature memory signature = _signPayout(DEVICE, device, payout);
        vm.expectEmit(true, true, true, true, address(accounts));
        emit IAccounts.PayoutSet(device, payout, device);
        vm.prank(anyone);
        accounts.setPayout(device, payout, deadline, signature);
        assertEq(accounts.payoutOf(device), payout);
        assertEq(accounts.nonceOf(device), 1);
    }

    function test_every_device_key_speaks_for_its_own_account(uint256 key, address to) public {
        key = bound(key, 1, P256_ORDER - 1);
        vm.assume(to != address(0));
        accounts.setPayout(_account(key), to, deadline, _signPayout(key, _account(key), to));
        assertEq(accounts.payoutOf(_account(key)), to);
    }

    function test_a_wallet_names_its_payout_address() public {
        vm.prank(wallet);
        accounts.setPayout(wallet, payout);
        assertEq(accounts.payoutOf(wallet), payout);
        assertEq(accounts.nonceOf(wallet), 0);
    }

    function test_a_passkey_added_by_a_device_names_the_payout_address() public {
        address passkey = _account(PASSKEY);
        accounts.addKey(device, passkey, deadline, _signKey(DEVICE, device, passkey));
        IAccounts.PasskeySignature memory signature = _passPayout(device, payout, 0x05, "webauthn.get");
        vm.expectEmit(true, true, true, true, address(accounts));
        emit IAccounts.PayoutSet(device, payout, passkey);
        accounts.setPayout(device, payout, deadline, signature);
        assertEq(accounts.payoutOf(device), payout);
        assertEq(accounts.nonceOf(device), 2);
    }

    // A lost device.

    function test_a_second_device_takes_over_from_a_lost_one() public {
        address second = _account(SECOND);
        IAccounts.DeviceSignature memory added = _signKey(DEVICE, device, second);
        assertFalse(accounts.isKeyOf(device, second));
        vm.expectEmit(true, true, true, true, address(accounts));
        emit IAccounts.KeyAdded(device, second, device);
        accounts.addKey(device, second, deadline, added);
        assertTrue(accounts.isKeyOf(device, second));
        assertTrue(accounts.isKeyOf(device, device));
        // Not the other way round.
        assertFalse(accounts.isKeyOf(second, device));

        accounts.setPayout(device, payout, deadline, _signPayout(SECOND, device, payout));
        assertEq(accounts.payoutOf(device), payout);
        assertEq(accounts.payoutOf(second), address(0));
    }

    function test_a_wallet_that_was_added_acts_without_a_signature() public {
        accounts.addKey(device, wallet, deadline, _signKey(DEVICE, device, wallet));
        vm.startPrank(wallet);
        accounts.setPayout(device, payout);
        assertEq(accounts.payoutOf(device), payout);
        vm.expectEmit(true, true, true, true, address(accounts));
        emit IAccounts.KeyAdded(device, anyone, wallet);
        accounts.addKey(device, anyone);
        assertTrue(accounts.isKeyOf(device, anyone));
    }

    function test_a_passkey_adds_a_wallet() public {
        address passkey = _account(PASSKEY);
        IAccounts.PasskeySignature memory signature = _pass(
            _digest("AddKey(address account,address key,uint256 nonce,uint256 deadline)", passkey, wallet), 0x05, "webauthn.get"
        );
        accounts.addKey(passkey, wallet, deadline, signature);
        assertTrue(accounts.isKeyOf(passkey, wallet));
        assertEq(accounts.nonceOf(passkey), 1);
    }

    // Attacks.

    function test_attack_payout_set_by_a_stranger(address stranger) public {
        vm.assume(stranger != device);
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotAKeyOf.selector, device, stranger));
        accounts.setPayout(device, stranger);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotAKeyOf.selector, device, stranger));
        accounts.addKey(device, stranger);
    }

    function test_attack_payout_signed_by_another_device() public {
        IAccounts.DeviceSignature memory signature = _signPayout(SECOND, device, payout);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotAKeyOf.selector, device, _account(SECOND)));
        accounts.setPayout(device, payout, deadline, signature);
        signature = _signKey(SECOND, device, wallet);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotAKeyOf.selector, device, _account(SECOND)));
        accounts.addKey(device, wallet, deadline, signature);
    }

    function test_attack_payout_signed_by_another_passkey() public {
        IAccounts.PasskeySignature memory signature = _passPayout(device, payout, 0x05, "webauthn.get");
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotAKeyOf.selector, device, _account(PASSKEY)));
        accounts.setPayout(device, payout, deadline, signature);
    }

    function test_attack_signature_replay() public {
        IAccounts.DeviceSignature memory signature = _signPayout(DEVICE, device, payout);
        accounts.setPayout(device, payout, deadline, signature);
        accounts.setPayout(device, wallet, deadline, _signPayout(DEVICE, device, wallet));
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, payout, deadline, signature);
        assertEq(accounts.payoutOf(device), wallet);
    }

    function test_attack_signature_for_another_account_of_the_same_key() public {
        address second = _account(SECOND);
        accounts.addKey(second, device, deadline, _signKey(SECOND, second, device));
        IAccounts.DeviceSignature memory signature = _signPayout(DEVICE, device, payout);
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(second, payout, deadline, signature);
    }

    function test_attack_addKey_signature_used_to_set_the_payout() public {
        IAccounts.DeviceSignature memory signature = _signKey(DEVICE, device, payout);
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, payout, deadline, signature);
        signature = _signPayout(DEVICE, device, payout);
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.addKey(device, payout, deadline, signature);
    }

    function test_attack_signature_from_another_chain_or_contract() public {
        IAccounts.DeviceSignature memory signature = _signPayout(DEVICE, device, payout);
        Accounts other = new Accounts();
        vm.expectRevert(IAccounts.BadSignature.selector);
        other.setPayout(device, payout, deadline, signature);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, payout, deadline, signature);
    }

    function test_attack_anything_else_than_was_signed(uint256 bit) public {
        IAccounts.DeviceSignature memory signature = _signPayout(DEVICE, device, payout);
        bit = bound(bit, 0, 159);
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, address(uint160(payout) ^ uint160(1 << bit)), deadline, signature);
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, payout, deadline + 1, signature);
        IAccounts.DeviceSignature memory bad = signature;
        bad.r ^= bytes32(1 << bit);
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, payout, deadline, bad);
        assertEq(accounts.nonceOf(device), 0);
    }

    function test_attack_s_malleability() public {
        IAccounts.DeviceSignature memory signature = _signPayout(DEVICE, device, payout);
        signature.s = bytes32(P256_ORDER - uint256(signature.s));
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, payout, deadline, signature);
    }

    function test_attack_key_that_is_no_point_of_the_curve() public {
        IAccounts.DeviceSignature memory signature;
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(device, payout, deadline, signature);
    }

    function test_a_signature_holds_up_to_its_deadline_and_not_a_second_longer() public {
        IAccounts.DeviceSignature memory signature = _signPayout(DEVICE, device, payout);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.Expired.selector, deadline));
        accounts.setPayout(device, payout, deadline, signature);
        vm.warp(deadline);
        accounts.setPayout(device, payout, deadline, signature);
        assertEq(accounts.payoutOf(device), payout);
    }

    function test_zero_is_neither_a_payout_nor_a_key() public {
        vm.startPrank(wallet);
        vm.expectRevert(IAccounts.ZeroAddress.selector);
        accounts.setPayout(wallet, address(0));
        vm.expectRevert(IAccounts.ZeroAddress.selector);
        accounts.addKey(wallet, address(0));
        assertFalse(accounts.isKeyOf(wallet, address(0)));
    }

    // Passkeys: what an authenticator answers must be about this, now, by a verified user.

    function test_attack_passkey_user_not_verified() public {
        _refusePasskey(_passPayout(_account(PASSKEY), payout, 0x01, "webauthn.get"));
    }

    function test_attack_passkey_user_not_present() public {
        _refusePasskey(_passPayout(_account(PASSKEY), payout, 0x04, "webauthn.get"));
    }

    function test_attack_passkey_backed_up_but_not_eligible() public {
        _refusePasskey(_passPayout(_account(PASSKEY), payout, 0x15, "webauthn.get"));
    }

    function test_attack_passkey_registration_instead_of_an_assertion() public {
        _refusePasskey(_passPayout(_account(PASSKEY), payout, 0x05, "webauthn.create"));
    }

    function test_attack_passkey_challenge_of_something_else() public {
        _refusePasskey(_passPayout(_account(PASSKEY), wallet, 0x05, "webauthn.get"));
    }

    function test_attack_passkey_replay() public {
        address passkey = _account(PASSKEY);
        IAccounts.PasskeySignature memory signature = _passPayout(passkey, payout, 0x05, "webauthn.get");
        accounts.setPayout(passkey, payout, deadline, signature);
        _refusePasskey(signature);
    }

    function test_attack_passkey_s_malleability() public {
        IAccounts.PasskeySignature memory signature = _passPayout(_account(PASSKEY), payout, 0x05, "webauthn.get");
        signature.auth.s = bytes32(P256_ORDER - uint256(signature.auth.s));
        _refusePasskey(signature);
    }

    function test_attack_device_signature_passed_off_as_a_passkeys() public {
        IAccounts.PasskeySignature memory signature = _passPayout(_account(PASSKEY), payout, 0x05, "webauthn.get");
        IAccounts.DeviceSignature memory raw = _signPayout(PASSKEY, _account(PASSKEY), payout);
        (signature.auth.r, signature.auth.s) = (raw.r, raw.s);
        _refusePasskey(signature);
    }

    function test_a_passkey_expires_as_a_device_does() public {
        IAccounts.PasskeySignature memory signature = _passPayout(_account(PASSKEY), payout, 0x05, "webauthn.get");
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.Expired.selector, deadline));
        accounts.setPayout(_account(PASSKEY), payout, deadline, signature);
    }

    function test_attack_ether_is_not_taken() public {
        vm.deal(address(this), 1 ether);
        (bool ok,) = address(accounts).call{value: 1}("");
        assertFalse(ok);
    }

    function _refusePasskey(IAccounts.PasskeySignature memory signature) private {
        vm.expectRevert(IAccounts.BadSignature.selector);
        accounts.setPayout(_account(PASSKEY), payout, deadline, signature);
    }

    function _account(uint256 key) private pure returns (address) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return address(uint160(uint256(keccak256(abi.encodePacked(x, y)))));
    }

    function _signPayout(uint256 key, address account, address to)
        private
        view
        returns (IAccounts.DeviceSignature memory)
    {
        return _sign(key, _digest("SetPayout(address account,address payout,uint256 nonce,uint256 deadline)", account, to));
    }

    function _signKey(uint256 key, address account, address added)
        private
        view
        returns (IAccounts.DeviceSignature memory)
    {
        return _sign(key, _digest("AddKey(address account,address key,uint256 nonce,uint256 deadline)", account, added));
    }

    /// @dev What WebCrypto does: sha-256 over the 32 bytes, then ECDSA; low s as the page makes it.
    function _sign(uint256 key, bytes32 digest) private pure returns (IAccounts.DeviceSignature memory signature) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        (bytes32 r, bytes32 s) = _lowS(key, sha256(bytes.concat(digest)));
        return IAccounts.DeviceSignature(bytes32(x), bytes32(y), r, s);
    }

    function _passPayout(address account, address to, bytes1 flags, string memory kind)
        private
        view
        returns (IAccounts.PasskeySignature memory)
    {
        bytes32 digest = _digest("SetPayout(address account,address payout,uint256 nonce,uint256 deadline)", account, to);
        return _pass(digest, flags, kind);
    }

    /// @dev An assertion as an authenticator makes it: over authenticatorData ‖ sha256(clientDataJSON).
    function _pass(bytes32 digest, bytes1 flags, string memory kind)
        private
        pure
        returns (IAccounts.PasskeySignature memory signature)
    {
        string memory start = string.concat('{"type":"', kind, '",');
        string memory clientData = string.concat(
            start,
            '"challenge":"',
            Base64.encodeURL(bytes.concat(digest)),
            '","origin":"https://vessel.example","crossOrigin":false}'
        );
        bytes memory authenticatorData = abi.encodePacked(sha256("vessel.example"), flags, uint32(7));
        bytes32 message = sha256(bytes.concat(authenticatorData, sha256(bytes(clientData))));
        (bytes32 r, bytes32 s) = _lowS(PASSKEY, message);
        (uint256 x, uint256 y) = vm.publicKeyP256(PASSKEY);
        return IAccounts.PasskeySignature(
            bytes32(x),
            bytes32(y),
            WebAuthn.WebAuthnAuth(r, s, bytes(start).length, 1, authenticatorData, clientData)
        );
    }

    function _lowS(uint256 key, bytes32 message) private pure returns (bytes32 r, bytes32 s) {
        (r, s) = vm.signP256(key, message);
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
    }

    function _digest(string memory type_, address account, address value) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Vessel Accounts"),
                keccak256("1"),
                block.chainid,
                address(accounts)
            )
        );
        bytes32 structHash =
            keccak256(abi.encode(keccak256(bytes(type_)), account, value, accounts.nonceOf(account), deadline));
        return keccak256(abi.encodePacked("\x19\x01", domain, structHash));
    }
}
