// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Data, datasets, models and trained AIs that people own
/// @notice ERC-721 with ERC-2981. An asset is minted whole: what it is, what it was made from and its royalties never change. It can
/// only be made from assets that exist already, so lineage has no cycles. Ids count up from 1. Nobody owns this contract.
///
/// `useRoyalty` is the asset's share of what compute on it costs. Of that share each parent gets its `share`, the asset's owner
/// the rest; parents divide theirs in the same way. All shares are in basis points.
interface IAsset {
    enum Kind {
        Data,
        Dataset,
        Model,
        TrainedAI
    }

    struct Parent {
        uint64 id;
        /// @dev Of this asset's use royalty, in basis points.
        uint16 share;
    }

    event Minted(uint256 indexed id, address indexed maker, Kind kind, bytes32 digest);

    error UnknownParent(uint256 id);
    /// Parents are named in rising order, each once.
    error ParentsOutOfOrder();
    error TooManyParents(uint256 count);
    /// Shares or a royalty beyond what is allowed, in basis points.
    error ShareTooLarge(uint256 share);
    error EmptyDigest();
    /// ERC-721 lets transfers and approvals carry ether; nobody could get it out of here again.
    error EtherNotTaken();

    /// @notice Mints an asset to `to`; the caller is its maker and receives sale royalties. A contract is asked whether it takes
    /// it (ERC-721 receiver).
    /// @param digest sha2-256 of the content: its CID is CIDv1, raw, sha2-256.
    /// @param useRoyalty basis points of the compute price, at most 5,000
    /// @param saleRoyalty basis points of a sale's price, at most 2,500
    /// @param parents at most 16, shares together at most 10,000
    function mint(
        address to,
        Kind kind,
        bytes32 digest,
        uint16 useRoyalty,
        uint16 saleRoyalty,
        Parent[] calldata parents
    ) external returns (uint256 id);

    /// @notice Everything but the parents. Reverts for an unknown id.
    function assetOf(uint256 id)
        external
        view
        returns (Kind kind, address maker, bytes32 digest, uint16 useRoyalty, uint16 saleRoyalty);

    function parentsOf(uint256 id) external view returns (Parent[] memory);

    /// @notice How many were minted: the newest id.
    function count() external view returns (uint256);
}
