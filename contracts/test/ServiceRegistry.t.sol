// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC721} from "solady/src/tokens/ERC721.sol";
import {Asset} from "../src/Asset.sol";
import {ServiceRegistry} from "../src/ServiceRegistry.sol";
import {IAsset} from "../src/interfaces/IAsset.sol";
import {IServiceRegistry} from "../src/interfaces/IServiceRegistry.sol";
import {Test} from "./support/Test.sol";

contract ServiceRegistryTest is Test {
    Asset private assets;
    ServiceRegistry private registry;
    address private owner = makeAddr("owner");
    address private network = makeAddr("network");
    address private maker = makeAddr("maker");
    address private buyer = makeAddr("buyer");
    bytes32 private constant MODEL = bytes32(uint256(0x5ea1));
    uint64 private model;

    function setUp() public {
        assets = new Asset();
        registry = new ServiceRegistry(owner, assets, 300, network);
        model = _mint(IAsset.Kind.Model);
    }

    // Models.

    function test_the_owner_of_a_model_lists_it() public {
        vm.expectEmit(true, true, true, true, address(registry));
        emit IServiceRegistry.Listed(MODEL, model, 1, 77, 300, true);
        vm.prank(maker);
        registry.listModel(MODEL, model, 77);
        _expectEntry(MODEL, IServiceRegistry.Entry(model, 1, 300, 77, true));
    }

    function test_a_trained_ai_is_a_model_and_data_is_not() public {
        uint64 trained = _mint(IAsset.Kind.TrainedAI);
        uint64 data = _mint(IAsset.Kind.Data);
        uint64 dataset = _mint(IAsset.Kind.Dataset);
        vm.startPrank(maker);
        registry.listModel(MODEL, trained, 0);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotAModel.selector, data));
        registry.listModel("data", data, 0);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotAModel.selector, dataset));
        registry.listModel("dataset", dataset, 0);
        _expectEntry(MODEL, IServiceRegistry.Entry(trained, 1, 300, 0, true));
    }

    function test_every_change_raises_the_version(uint96 floor, bool active) public {
        vm.startPrank(maker);
        registry.listModel(MODEL, model, 77);
        registry.updateModel(MODEL, floor, active);
        _expectEntry(MODEL, IServiceRegistry.Entry(model, 2, 300, floor, active));
        vm.expectEmit(true, true, true, true, address(registry));
        emit IServiceRegistry.Listed(MODEL, model, 3, 5, 300, false);
        registry.updateModel(MODEL, 5, false);
    }

    function test_selling_the_asset_sells_the_entry() public {
        vm.startPrank(maker);
        registry.listModel(MODEL, model, 77);
        assets.transferFrom(maker, buyer, model);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotAssetOwner.selector, model, maker));
        registry.updateModel(MODEL, 1, true);
        vm.stopPrank();
        vm.prank(buyer);
        registry.updateModel(MODEL, 99, true);
        _expectEntry(MODEL, IServiceRegistry.Entry(model, 2, 300, 99, true));
    }

    function test_attack_listing_someone_elses_asset(address stranger) public {
        vm.assume(stranger != maker);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotAssetOwner.selector, model, stranger));
        registry.listModel(MODEL, model, 1);
        vm.prank(maker);
        registry.listModel(MODEL, model, 1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotAssetOwner.selector, model, stranger));
        registry.updateModel(MODEL, 2, false);
    }

    function test_attack_listing_an_asset_that_does_not_exist() public {
        vm.expectRevert(ERC721.TokenDoesNotExist.selector);
        registry.listModel(MODEL, 99, 1);
    }

    function test_attack_listing_over_another_entry() public {
        vm.startPrank(maker);
        registry.listModel(MODEL, model, 1);
        uint64 other = _mintAs(IAsset.Kind.Model);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.AlreadyListed.selector, MODEL));
        registry.listModel(MODEL, other, 1);
        registry.updateModel(MODEL, 1, false);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.AlreadyListed.selector, MODEL));
        registry.listModel(MODEL, other, 1);
    }

    function test_unknown_entries_are_refused() public {
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotListed.selector, MODEL));
        registry.entryOf(MODEL);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotListed.selector, MODEL));
        registry.updateModel(MODEL, 1, true);
    }

    // Service types.

    function test_the_owner_lists_and_changes_service_types() public {
        bytes32 id = keccak256("voice-activity");
        vm.startPrank(owner);
        registry.setServiceType("voice-activity", 0, 7, true);
        _expectEntry(id, IServiceRegistry.Entry(0, 1, 300, 7, true));
        registry.setNetworkFee(400, network);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IServiceRegistry.Listed(id, model, 2, 8, 400, false);
        registry.setServiceType("voice-activity", model, 8, false);
        _expectEntry(id, IServiceRegistry.Entry(model, 2, 400, 8, false));
        vm.expectRevert(ERC721.TokenDoesNotExist.selector);
        registry.setServiceType("voice-activity", 99, 8, true);
    }

    function test_attack_service_type_by_anyone(address caller) public {
        vm.assume(caller != owner);
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller));
        registry.setServiceType("voice-activity", 0, 7, true);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller));
        registry.setNetworkFee(1, caller);
    }

    function test_attack_squatting_a_service_type_with_a_model() public {
        bytes32 id = keccak256("voice-activity");
        vm.prank(maker);
        registry.listModel(id, model, 1);
        vm.prank(owner);
        registry.setServiceType("voice-activity", 0, 7, true);
        _expectEntry(id, IServiceRegistry.Entry(0, 1, 300, 7, true));
        // Nor can it be changed by the asset's owner.
        vm.prank(maker);
        registry.updateModel(id, 2, false);
        _expectEntry(id, IServiceRegistry.Entry(0, 1, 300, 7, true));
    }

    function test_attack_asset_owner_changes_a_service_type() public {
        vm.prank(owner);
        registry.setServiceType("voice-activity", model, 7, true);
        vm.prank(maker);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.NotListed.selector, keccak256("voice-activity")));
        registry.updateModel(keccak256("voice-activity"), 1, false);
    }

    // The network's fee.

    function test_a_models_fee_is_the_one_of_its_listing() public {
        vm.prank(maker);
        registry.listModel(MODEL, model, 1);
        vm.expectEmit(true, true, true, true, address(registry));
        emit IServiceRegistry.NetworkFeeSet(2_000, buyer);
        vm.prank(owner);
        registry.setNetworkFee(2_000, buyer);
        assertEq(registry.networkFee(), 2_000);
        assertEq(registry.network(), buyer);
        vm.prank(maker);
        registry.updateModel(MODEL, 2, true);
        _expectEntry(MODEL, IServiceRegistry.Entry(model, 2, 300, 2, true));
        vm.prank(maker);
        registry.listModel("another", model, 1);
        _expectEntry("another", IServiceRegistry.Entry(model, 1, 2_000, 1, true));
    }

    function test_attack_fee_beyond_20_percent(uint16 fee) public {
        fee = uint16(bound(fee, 2_001, type(uint16).max));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.FeeTooLarge.selector, fee));
        registry.setNetworkFee(fee, network);
        vm.expectRevert(abi.encodeWithSelector(IServiceRegistry.FeeTooLarge.selector, fee));
        new ServiceRegistry(owner, assets, fee, network);
    }

    function test_it_starts_whole_or_not_at_all() public {
        assertEq(address(registry.assets()), address(assets));
        assertEq(registry.networkFee(), 300);
        assertEq(registry.network(), network);
        assertEq(registry.owner(), owner);
        vm.expectRevert(IServiceRegistry.ZeroAddress.selector);
        new ServiceRegistry(owner, assets, 300, address(0));
        vm.expectRevert(IServiceRegistry.ZeroAddress.selector);
        new ServiceRegistry(owner, Asset(address(0)), 300, network);
        vm.prank(owner);
        vm.expectRevert(IServiceRegistry.ZeroAddress.selector);
        registry.setNetworkFee(300, address(0));
    }

    function test_ownership_moves_in_two_steps() public {
        vm.prank(owner);
        registry.transferOwnership(buyer);
        assertEq(registry.owner(), owner);
        vm.prank(buyer);
        registry.acceptOwnership();
        assertEq(registry.owner(), buyer);
    }

    function _mint(IAsset.Kind kind) private returns (uint64) {
        vm.prank(maker);
        return _mintAs(kind);
    }

    function _mintAs(IAsset.Kind kind) private returns (uint64) {
        return uint64(assets.mint(maker, kind, bytes32(uint256(1)), 0, 0, new IAsset.Parent[](0)));
    }

    function _expectEntry(bytes32 id, IServiceRegistry.Entry memory expected) private view {
        IServiceRegistry.Entry memory entry = registry.entryOf(id);
        assertEq(entry.asset, expected.asset);
        assertEq(entry.version, expected.version);
        assertEq(entry.networkFee, expected.networkFee);
        assertEq(entry.priceFloor, expected.priceFloor);
        assertEq(entry.active, expected.active);
    }
}
