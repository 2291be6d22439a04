// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the network serves, and on what terms
/// @notice Models, and service types (such as "voice-activity"). A model's entry belongs to whoever owns its asset: selling the asset
/// sells the entry. A service type's entry, and the network's fee, belong to the owner of this contract; that is all the owner can do.
/// Every change raises the entry's version by one.
interface IServiceRegistry {
    struct Entry {
        /// @dev Of the asset whose owners are paid; 0 for a service type without one.
        uint64 asset;
        uint32 version;
        /// @dev Basis points of the compute price for the network, fixed for a model when it is listed.
        uint16 networkFee;
        /// @dev Least price, in wei per 1,000 units (layer tokens of a model; the service type's own unit).
        uint96 priceFloor;
        bool active;
    }

    event Listed(bytes32 indexed id, uint64 indexed asset, uint32 version, uint96 priceFloor, uint16 networkFee, bool active);
    event NetworkFeeSet(uint16 networkFee, address indexed network);

    error NotAssetOwner(uint256 asset, address caller);
    error NotAModel(uint256 asset);
    error FeeTooLarge(uint256 networkFee);
    error AlreadyListed(bytes32 id);
    error NotListed(bytes32 id);
    error ZeroAddress();

    /// @notice Lists a model: `id` is its manifest's sha2-256. Only the owner of `asset`, which must be a Model or TrainedAI.
    function listModel(bytes32 id, uint64 asset, uint96 priceFloor) external;
    /// @notice Changes a model's floor, or switches it off and on.
    function updateModel(bytes32 id, uint96 priceFloor, bool active) external;
    /// @notice Lists or changes a service type, at the fee of now. Owner only. Its id is keccak256 of its name: so the owner can never
    /// reach a model's entry, and nobody who lists a model can take a service type's.
    function setServiceType(string calldata name, uint64 asset, uint96 priceFloor, bool active) external;
    /// @notice The fee of entries listed from now on (at most 2,000 basis points) and the network's account. Owner only.
    function setNetworkFee(uint16 networkFee, address network) external;

    /// @notice Reverts with NotListed for an unknown id.
    function entryOf(bytes32 id) external view returns (Entry memory);
    function networkFee() external view returns (uint16);
    function network() external view returns (address);
}
