// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC721} from "solady/src/tokens/ERC721.sol";
import {Asset} from "../src/Asset.sol";
import {IAsset} from "../src/interfaces/IAsset.sol";
import {AssetTaker, PlainContract} from "./support/Receivers.sol";
import {Test} from "./support/Test.sol";

contract AssetTest is Test {
    Asset private asset;
    address private maker = makeAddr("maker");
    address private buyer = makeAddr("buyer");
    /// @dev Computed once: a call to the sha-256 precompile would use up a prank.
    bytes32 private immutable DIGEST = sha256("content");

    function setUp() public {
        asset = new Asset();
    }

    // Minting.

    function test_mint_keeps_everything_as_it_was_named(
        uint8 kind,
        bytes32 digest,
        uint16 useRoyalty,
        uint16 saleRoyalty,
        address minter,
        uint160 owner_
    ) public {
        vm.assume(digest != 0);
        address to = address(uint160(bound(owner_, 1 << 100, type(uint160).max)));
        vm.assume(to.code.length == 0);
        IAsset.Kind kind_ = IAsset.Kind(kind % 4);
        useRoyalty = uint16(bound(useRoyalty, 0, 5_000));
        saleRoyalty = uint16(bound(saleRoyalty, 0, 2_500));

        for (uint256 round = 1; round <= 2; ++round) {
            vm.prank(minter);
            uint256 id = asset.mint(to, kind_, digest, useRoyalty, saleRoyalty, new IAsset.Parent[](0));
            assertEq(id, round);
            assertEq(asset.count(), round);
            assertEq(asset.ownerOf(id), to);
            assertEq(asset.balanceOf(to), round);
            _expectAsset(id, kind_, minter, digest, useRoyalty, saleRoyalty);
            assertEq(asset.parentsOf(id).length, 0);
        }
    }

    function test_makers_do_not_mix() public {
        address third = makeAddr("third");
        uint256 a = _mint(maker, maker);
        uint256 b = _mint(buyer, maker);
        uint256 c = _mint(maker, buyer);
        uint256 d = _mint(third, third);
        uint256 e = _mint(buyer, buyer);
        assertEq(_makerOf(a), maker);
        assertEq(_makerOf(b), buyer);
        assertEq(_makerOf(c), maker);
        assertEq(_makerOf(d), third);
        assertEq(_makerOf(e), buyer);
        assertEq(asset.balanceOf(maker), 2);
        assertEq(asset.balanceOf(buyer), 2);
    }

    function test_a_makers_address_is_stored_once() public {
        _mint(maker, maker);
        uint256 before = gasleft();
        _mint(maker, maker);
        // Two new slots, 22,100 each; a third would show.
        assertLt(before - gasleft(), 60_000);
    }

    function test_a_sale_changes_the_owner_and_nothing_else() public {
        uint256 id = _mint(maker, maker);
        vm.prank(maker);
        asset.transferFrom(maker, buyer, id);
        assertEq(asset.ownerOf(id), buyer);
        _expectAsset(id, IAsset.Kind.Model, maker, DIGEST, 1_000, 500);
        // The maker's own number survives an empty wallet.
        uint256 next = _mint(maker, maker);
        assertEq(_makerOf(next), maker);
        assertEq(asset.balanceOf(maker), 1);
        assertEq(asset.balanceOf(buyer), 1);
    }

    function test_minting_announces_asset_and_transfer() public {
        vm.expectEmit(true, true, true, true, address(asset));
        emit IAsset.Minted(1, maker, IAsset.Kind.Model, DIGEST);
        vm.expectEmit(true, true, true, true, address(asset));
        emit ERC721.Transfer(address(0), buyer, 1);
        _mint(maker, buyer);
    }

    function test_an_empty_digest_is_refused() public {
        vm.expectRevert(IAsset.EmptyDigest.selector);
        asset.mint(maker, IAsset.Kind.Model, 0, 0, 0, new IAsset.Parent[](0));
    }

    function test_nobody_owns_what_is_minted_to_zero() public {
        vm.expectRevert(ERC721.TransferToZeroAddress.selector);
        asset.mint(address(0), IAsset.Kind.Model, DIGEST, 0, 0, new IAsset.Parent[](0));
    }

    function test_unknown_ids_are_refused_everywhere() public {
        _mint(maker, maker);
        uint256[2] memory ids = [uint256(0), 2];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(ERC721.TokenDoesNotExist.selector);
            asset.assetOf(ids[i]);
            vm.expectRevert(ERC721.TokenDoesNotExist.selector);
            asset.parentsOf(ids[i]);
            vm.expectRevert(ERC721.TokenDoesNotExist.selector);
            asset.tokenURI(ids[i]);
            vm.expectRevert(ERC721.TokenDoesNotExist.selector);
            asset.royaltyInfo(ids[i], 1);
        }
    }

    function test_it_is_an_erc721_with_metadata_and_royalties() public view {
        assertEq(asset.name(), "Vessel Asset");
        assertEq(asset.symbol(), "VASSET");
        assertTrue(asset.supportsInterface(0x01ffc9a7));
        assertTrue(asset.supportsInterface(0x80ac58cd));
        assertTrue(asset.supportsInterface(0x5b5e139f));
        assertTrue(asset.supportsInterface(type(IERC2981).interfaceId));
        assertEq(type(IERC2981).interfaceId, bytes32(bytes4(0x2a55205a)));
        assertFalse(asset.supportsInterface(0xffffffff));
    }

    // Content.

    function test_tokenURI_is_the_cid_that_ipfs_knows() public {
        // The CIDs of two raw blocks, as every IPFS tool prints them.
        _expectUri(sha256(""), "ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
        _expectUri(sha256("hello world"), "ipfs://bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
        _expectUri(bytes32(type(uint256).max), "ipfs://bafkreih777777777777777777777777777777777777777777777777774");
        _expectUri(bytes32(uint256(1)), "ipfs://bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaae");
    }

    function test_tokenURI_decodes_to_prefix_and_digest(bytes32 digest) public {
        vm.assume(digest != 0);
        uint256 id = asset.mint(maker, IAsset.Kind.Data, digest, 0, 0, new IAsset.Parent[](0));
        bytes memory uri = bytes(asset.tokenURI(id));
        assertEq(uri.length, 7 + 59);
        uint256 bits;
        uint256 value;
        bytes memory decoded = new bytes(36);
        uint256 n;
        for (uint256 i = 8; i < uri.length; ++i) {
            uint8 c = uint8(uri[i]);
            value = (value << 5 | (c >= 97 ? c - 97 : c - 24)) & 0xffff;
            bits += 5;
            if (bits >= 8 && n < 36) {
                bits -= 8;
                decoded[n++] = bytes1(uint8(value >> bits));
            }
        }
        assertEq(decoded, abi.encodePacked(hex"01551220", digest));
    }

    // Royalties.

    function test_attack_royalty_larger_than_the_price(uint16 royalty, uint256 price) public {
        royalty = uint16(bound(royalty, 0, 2_500));
        vm.prank(maker);
        uint256 id = asset.mint(maker, IAsset.Kind.Model, DIGEST, 0, royalty, new IAsset.Parent[](0));
        (address receiver, uint256 amount) = asset.royaltyInfo(id, price);
        assertEq(receiver, maker);
        assertLe(amount, price / 4);
        // Rounded down, without overflow for any price.
        assertEq(amount, price / 10_000 * royalty + price % 10_000 * royalty / 10_000);
    }

    function test_attack_royalties_beyond_their_limits() public {
        vm.expectRevert(abi.encodeWithSelector(IAsset.ShareTooLarge.selector, 2_501));
        asset.mint(maker, IAsset.Kind.Model, DIGEST, 0, 2_501, new IAsset.Parent[](0));
        vm.expectRevert(abi.encodeWithSelector(IAsset.ShareTooLarge.selector, 5_001));
        asset.mint(maker, IAsset.Kind.Model, DIGEST, 5_001, 0, new IAsset.Parent[](0));
        vm.expectRevert(abi.encodeWithSelector(IAsset.ShareTooLarge.selector, 65_535));
        asset.mint(maker, IAsset.Kind.Model, DIGEST, 65_535, 65_535, new IAsset.Parent[](0));
        asset.mint(maker, IAsset.Kind.Model, DIGEST, 5_000, 2_500, new IAsset.Parent[](0));
        _expectAsset(1, IAsset.Kind.Model, address(this), DIGEST, 5_000, 2_500);
    }

    function test_attack_royalty_receiver_is_the_seller_or_reverts() public {
        // The receiver is only told, never called: a maker whose contract reverts cannot stop a sale of its asset.
        address hostile = address(new PlainContract());
        uint256 id = _mint(hostile, maker);
        (address receiver,) = asset.royaltyInfo(id, 1 ether);
        assertEq(receiver, hostile);
        vm.prank(maker);
        asset.transferFrom(maker, buyer, id);
        assertEq(asset.ownerOf(id), buyer);
        // Sold by its maker, the royalty goes to the seller: what the buyer pays stays the same.
        uint256 own = _mint(maker, maker);
        (receiver,) = asset.royaltyInfo(own, 1 ether);
        assertEq(receiver, maker);
    }

    // Lineage.

    function test_parents_are_kept_in_order(uint8 number, uint256 seed) public {
        uint256 length = bound(number, 0, 16);
        for (uint256 i; i < 20; ++i) {
            _mint(maker, maker);
        }
        IAsset.Parent[] memory parents = new IAsset.Parent[](length);
        uint256 id = 0;
        for (uint256 i; i < length; ++i) {
            id += 1 + (i < 4 ? seed >> i & 1 : 0);
            parents[i] = IAsset.Parent(uint64(id), uint16(uint256(keccak256(abi.encode(seed, i))) % 626));
        }
        uint256 made = _mintFrom(parents);
        IAsset.Parent[] memory kept = asset.parentsOf(made);
        assertEq(kept.length, length);
        for (uint256 i; i < length; ++i) {
            assertEq(kept[i].id, parents[i].id);
            assertEq(kept[i].share, parents[i].share);
        }
        // A neighbour has none of them.
        assertEq(asset.parentsOf(1).length, 0);
        assertEq(asset.parentsOf(_mint(maker, maker)).length, 0);
    }

    function test_attack_lineage_cycle() public {
        _mint(maker, maker);
        // Its own parent.
        vm.expectRevert(abi.encodeWithSelector(IAsset.UnknownParent.selector, 2));
        _mintFrom(_parents(2, 1));
        // Made from something that will be made from it.
        vm.expectRevert(abi.encodeWithSelector(IAsset.UnknownParent.selector, 3));
        _mintFrom(_parents(3, 1));
        vm.expectRevert(abi.encodeWithSelector(IAsset.UnknownParent.selector, type(uint64).max));
        _mintFrom(_parents(type(uint64).max, 1));
        // The newest asset is as good a parent as any.
        assertEq(_mintFrom(_parents(1, 1)), 2);
        assertEq(_mintFrom(_parents(2, 1)), 3);
    }

    function test_attack_lineage_cycle_by_reentering_mint() public {
        AssetTaker taker = new AssetTaker();
        // While asset 1 arrives, the taker mints asset 2 from it; asset 1 is final by then.
        taker.plan(
            address(asset),
            abi.encodeCall(asset.mint, (address(taker), IAsset.Kind.TrainedAI, DIGEST, 0, 0, _parents(1, 10_000)))
        );
        assertEq(_mint(maker, address(taker)), 1);
        assertTrue(taker.succeeded());
        assertEq(asset.count(), 2);
        assertEq(asset.parentsOf(1).length, 0);
        assertEq(asset.parentsOf(2)[0].id, 1);
        assertEq(_makerOf(1), maker);
        assertEq(_makerOf(2), address(taker));
        assertEq(asset.balanceOf(address(taker)), 2);
    }

    function test_attack_shares_beyond_100_percent() public {
        _mint(maker, maker);
        _mint(maker, maker);
        IAsset.Parent[] memory two = new IAsset.Parent[](2);
        two[0] = IAsset.Parent(1, 5_000);
        two[1] = IAsset.Parent(2, 5_001);
        vm.expectRevert(abi.encodeWithSelector(IAsset.ShareTooLarge.selector, 10_001));
        _mintFrom(two);
        // Shares that would wrap around 16 bits.
        two[0].share = 65_535;
        two[1].share = 2;
        vm.expectRevert(abi.encodeWithSelector(IAsset.ShareTooLarge.selector, 65_537));
        _mintFrom(two);
        two[0].share = 5_000;
        two[1].share = 5_000;
        assertEq(_mintFrom(two), 3);
    }

    function test_attack_same_parent_twice_or_out_of_order() public {
        _mint(maker, maker);
        _mint(maker, maker);
        IAsset.Parent[] memory two = new IAsset.Parent[](2);
        (two[0].id, two[1].id) = (1, 1);
        vm.expectRevert(IAsset.ParentsOutOfOrder.selector);
        _mintFrom(two);
        (two[0].id, two[1].id) = (2, 1);
        vm.expectRevert(IAsset.ParentsOutOfOrder.selector);
        _mintFrom(two);
        vm.expectRevert(IAsset.ParentsOutOfOrder.selector);
        _mintFrom(_parents(0, 1));
    }

    function test_attack_unbounded_parents() public {
        for (uint256 i; i < 17; ++i) {
            _mint(maker, maker);
        }
        IAsset.Parent[] memory parents = new IAsset.Parent[](17);
        for (uint256 i; i < 17; ++i) {
            parents[i].id = uint64(i + 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IAsset.TooManyParents.selector, 17));
        _mintFrom(parents);
    }

    function test_sixteen_parents_are_kept_whole() public {
        IAsset.Parent[] memory parents = new IAsset.Parent[](16);
        for (uint256 i; i < 16; ++i) {
            parents[i] = IAsset.Parent(uint64(_mint(maker, maker)), 625);
        }
        IAsset.Parent[] memory kept = asset.parentsOf(_mintFrom(parents));
        assertEq(kept.length, 16);
        assertEq(kept[15].id, 16);
        assertEq(kept[15].share, 625);
    }

    // Transfers.

    function test_attack_mint_to_a_contract_that_takes_no_assets() public {
        address plain = address(new PlainContract());
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, plain));
        _mint(maker, plain);
        assertEq(asset.count(), 0);
    }

    function test_a_contract_is_told_who_minted_what_for_it() public {
        AssetTaker taker = new AssetTaker();
        uint256 id = _mint(maker, address(taker));
        assertEq(taker.calls(), 1);
        assertEq(taker.told(), abi.encode(maker, address(0), id, ""));
        assertEq(asset.ownerOf(id), address(taker));
    }

    function test_attack_safeTransfer_callback_reenters() public {
        AssetTaker taker = new AssetTaker();
        uint256 id = _mint(maker, maker);
        // It sends the asset on, back to its seller, while it is told about it.
        taker.plan(
            address(asset),
            abi.encodeWithSignature("transferFrom(address,address,uint256)", address(taker), buyer, id)
        );
        vm.prank(maker);
        asset.safeTransferFrom(maker, address(taker), id);
        assertTrue(taker.succeeded());
        assertEq(asset.ownerOf(id), buyer);
        assertEq(asset.balanceOf(maker), 0);
        assertEq(asset.balanceOf(address(taker)), 0);
        assertEq(asset.balanceOf(buyer), 1);
    }

    function test_attack_safeTransfer_callback_takes_another_asset() public {
        AssetTaker taker = new AssetTaker();
        uint256 id = _mint(maker, maker);
        uint256 other = _mint(maker, maker);
        taker.plan(
            address(asset),
            abi.encodeWithSignature("transferFrom(address,address,uint256)", maker, address(taker), other)
        );
        vm.prank(maker);
        asset.safeTransferFrom(maker, address(taker), id);
        assertFalse(taker.succeeded());
        assertEq(asset.ownerOf(other), maker);
    }

    function test_attack_approval_left_after_a_transfer() public {
        uint256 id = _mint(maker, maker);
        address operator = makeAddr("operator");
        vm.prank(maker);
        asset.approve(operator, id);
        vm.prank(maker);
        asset.transferFrom(maker, buyer, id);
        assertEq(asset.getApproved(id), address(0));
        vm.prank(operator);
        vm.expectRevert(ERC721.NotOwnerNorApproved.selector);
        asset.transferFrom(buyer, operator, id);
    }

    function test_attack_transfer_by_a_stranger(address stranger) public {
        vm.assume(stranger != maker && stranger != address(0));
        uint256 id = _mint(maker, maker);
        vm.startPrank(stranger);
        vm.expectRevert(ERC721.NotOwnerNorApproved.selector);
        asset.transferFrom(maker, stranger, id);
        vm.expectRevert(ERC721.NotOwnerNorApproved.selector);
        asset.approve(stranger, id);
    }

    function test_attack_ether_stuck_in_a_transfer_or_approval() public {
        uint256 id = _mint(maker, maker);
        vm.deal(maker, 1 ether);
        vm.startPrank(maker);
        vm.expectRevert(IAsset.EtherNotTaken.selector);
        asset.transferFrom{value: 1}(maker, buyer, id);
        vm.expectRevert(IAsset.EtherNotTaken.selector);
        asset.safeTransferFrom{value: 1}(maker, buyer, id);
        vm.expectRevert(IAsset.EtherNotTaken.selector);
        asset.safeTransferFrom{value: 1}(maker, buyer, id, "");
        vm.expectRevert(IAsset.EtherNotTaken.selector);
        asset.approve{value: 1}(buyer, id);
        (bool ok,) = address(asset).call{value: 1}("");
        assertFalse(ok);
        asset.approve(buyer, id);
        assertEq(asset.getApproved(id), buyer);
        // Forced upon it, ether changes nothing.
        vm.deal(address(asset), 1 ether);
        asset.transferFrom(maker, buyer, id);
        assertEq(asset.ownerOf(id), buyer);
    }

    function _mint(address by, address to) private returns (uint256) {
        vm.prank(by);
        return asset.mint(to, IAsset.Kind.Model, DIGEST, 1_000, 500, new IAsset.Parent[](0));
    }

    function _mintFrom(IAsset.Parent[] memory parents) private returns (uint256) {
        return asset.mint(maker, IAsset.Kind.TrainedAI, DIGEST, 1_000, 500, parents);
    }

    function _parents(uint64 id, uint16 share) private pure returns (IAsset.Parent[] memory parents) {
        parents = new IAsset.Parent[](1);
        parents[0] = IAsset.Parent(id, share);
    }

    function _makerOf(uint256 id) private view returns (address by) {
        (, by,,,) = asset.assetOf(id);
    }

    function _expectAsset(
        uint256 id,
        IAsset.Kind kind,
        address by,
        bytes32 digest,
        uint16 useRoyalty,
        uint16 saleRoyalty
    ) private view {
        (IAsset.Kind kind_, address by_, bytes32 digest_, uint16 useRoyalty_, uint16 saleRoyalty_) = asset.assetOf(id);
        assertEq(uint256(kind_), uint256(kind));
        assertEq(by_, by);
        assertEq(digest_, digest);
        assertEq(useRoyalty_, useRoyalty);
        assertEq(saleRoyalty_, saleRoyalty);
    }

    function _expectUri(bytes32 digest, string memory uri) private {
        uint256 id = asset.mint(maker, IAsset.Kind.Data, digest, 0, 0, new IAsset.Parent[](0));
        assertEq(asset.tokenURI(id), uri);
    }
}
