// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Asset} from "./Asset.sol";
import {IAsset} from "./interfaces/IAsset.sol";
import {IServiceRegistry} from "./interfaces/IServiceRegistry.sol";

/// @title What the network serves, and on what terms
/// @notice Meaning and warnings are in IServiceRegistry.
contract ServiceRegistry is IServiceRegistry, Ownable2Step {
    uint256 private constant MAX_NETWORK_FEE = 2_000;

    /// @notice Where models and datasets are owned.
    Asset public immutable assets;
    /// @inheritdoc IServiceRegistry
    uint16 public networkFee;
    /// @inheritdoc IServiceRegistry
    address public network;
    mapping(bytes32 id => Entry) private _models;
    mapping(bytes32 id => Entry) private _serviceTypes;

    constructor(address owner, Asset assets_, uint16 networkFee_, address network_) Ownable(owner) {
        require(address(assets_) != address(0), ZeroAddress());
        assets = assets_;
        _setNetworkFee(networkFee_, network_);
    }

    /// @inheritdoc IServiceRegistry
    function listModel(bytes32 id, uint64 asset, uint96 priceFloor) external {
        require(_models[id].version == 0, AlreadyListed(id));
        require(assets.ownerOf(asset) == msg.sender, NotAssetOwner(asset, msg.sender));
        (IAsset.Kind kind,,,,) = assets.assetOf(asset);
        require(kind == IAsset.Kind.Model || kind == IAsset.Kind.TrainedAI, NotAModel(asset));
        _list(_models, id, asset, networkFee, priceFloor, true);
    }

    /// @inheritdoc IServiceRegistry
    function updateModel(bytes32 id, uint96 priceFloor, bool active) external {
        Entry memory entry = _models[id];
        require(entry.version != 0, NotListed(id));
        require(assets.ownerOf(entry.asset) == msg.sender, NotAssetOwner(entry.asset, msg.sender));
        _list(_models, id, entry.asset, entry.networkFee, priceFloor, active);
    }

    /// @inheritdoc IServiceRegistry
    function setServiceType(string calldata name, uint64 asset, uint96 priceFloor, bool active) external onlyOwner {
        // Reverts for an asset that nobody owns.
        if (asset != 0) assets.ownerOf(asset);
        _list(_serviceTypes, keccak256(bytes(name)), asset, networkFee, priceFloor, active);
    }

    /// @inheritdoc IServiceRegistry
    function setNetworkFee(uint16 networkFee_, address network_) external onlyOwner {
        _setNetworkFee(networkFee_, network_);
    }

    /// @inheritdoc IServiceRegistry
    function entryOf(bytes32 id) external view returns (Entry memory entry) {
        entry = _serviceTypes[id];
        if (entry.version == 0) entry = _models[id];
        require(entry.version != 0, NotListed(id));
    }

    function _list(
        mapping(bytes32 id => Entry) storage entries,
        bytes32 id,
        uint64 asset,
        uint16 fee,
        uint96 priceFloor,
        bool active
    ) private {
        uint32 version = entries[id].version + 1;
        entries[id] = Entry(asset, version, fee, priceFloor, active);
        emit Listed(id, asset, version, priceFloor, fee, active);
    }

    function _setNetworkFee(uint16 networkFee_, address network_) private {
        require(networkFee_ <= MAX_NETWORK_FEE, FeeTooLarge(networkFee_));
        require(network_ != address(0), ZeroAddress());
        networkFee = networkFee_;
        network = network_;
        emit NetworkFeeSet(networkFee_, network_);
    }
}
