// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC2981, IERC165} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {ERC721Utils} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Utils.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ERC721} from "solady/src/tokens/ERC721.sol";
import {IAsset} from "./interfaces/IAsset.sol";

/// @title Data, datasets, models and trained AIs that people own
/// @notice Meaning and warnings are in IAsset.
/// @dev An asset without parents takes two storage slots. One is its digest. The other is Solady's ownership slot, whose upper 96
/// bits hold, from the top: first (56), sale royalty (16), use royalty (16), kind (8). `first` is the id of the first asset that the
/// same maker minted; the maker's address is kept there, once. The maker's balance slot remembers `first` for its next asset.
contract Asset is IAsset, ERC721, IERC2981 {
    uint256 private constant BASIS_POINTS = 10_000;
    uint256 private constant MAX_USE_ROYALTY = 5_000;
    uint256 private constant MAX_SALE_ROYALTY = 2_500;
    uint256 private constant MAX_PARENTS = 16;
    /// @dev CIDv1, raw, sha2-256 of 32 bytes: the four bytes in front of every digest.
    uint256 private constant CID_PREFIX = 0x01551220;

    /// @inheritdoc IAsset
    uint256 public count;
    mapping(uint256 id => bytes32) private _digests;
    mapping(uint256 first => address) private _makers;
    /// @dev Each is id * 2^16 + share, three to a slot; a zero ends the list.
    mapping(uint256 id => uint80[MAX_PARENTS]) private _parents;

    /// @inheritdoc IAsset
    function mint(
        address to,
        Kind kind,
        bytes32 digest,
        uint16 useRoyalty,
        uint16 saleRoyalty,
        Parent[] calldata parents
    ) external returns (uint256 id) {
        require(digest != 0, EmptyDigest());
        require(useRoyalty <= MAX_USE_ROYALTY, ShareTooLarge(useRoyalty));
        require(saleRoyalty <= MAX_SALE_ROYALTY, ShareTooLarge(saleRoyalty));

        id = ++count;
        if (parents.length != 0) _setParents(id, parents);
        _digests[id] = digest;

        uint256 first = _getAux(msg.sender);
        if (first == 0) {
            first = id;
            _makers[id] = msg.sender;
            _setAux(msg.sender, uint224(id));
        }
        emit Minted(id, msg.sender, kind, digest);
        // Every part is smaller than its field: ids would take 2^56 mints to outgrow theirs.
        uint256 packed = first << 40 | uint256(saleRoyalty) << 24 | uint256(useRoyalty) << 8 | uint8(kind);
        _mintAndSetExtraDataUnchecked(to, id, uint96(packed));
        ERC721Utils.checkOnERC721Received(msg.sender, address(0), to, id, "");
    }

    /// @inheritdoc IAsset
    function assetOf(uint256 id)
        public
        view
        returns (Kind kind, address maker, bytes32 digest, uint16 useRoyalty, uint16 saleRoyalty)
    {
        require(_exists(id), TokenDoesNotExist());
        uint96 packed = _getExtraData(id);
        return (Kind(uint8(packed)), _makers[packed >> 40], _digests[id], uint16(packed >> 8), uint16(packed >> 24));
    }

    /// @inheritdoc IAsset
    function parentsOf(uint256 id) external view returns (Parent[] memory parents) {
        require(_exists(id), TokenDoesNotExist());
        uint80[MAX_PARENTS] storage stored = _parents[id];
        uint256 length;
        while (length < MAX_PARENTS && stored[length] != 0) ++length;
        parents = new Parent[](length);
        for (uint256 i; i < length; ++i) {
            parents[i] = Parent(uint64(stored[i] >> 16), uint16(stored[i]));
        }
    }

    /// @inheritdoc IERC2981
    function royaltyInfo(uint256 id, uint256 price) external view returns (address receiver, uint256 amount) {
        uint256 royalty;
        (, receiver,,, royalty) = assetOf(id);
        amount = Math.mulDiv(price, royalty, BASIS_POINTS);
    }

    /// @notice "ipfs://" and the content's CID.
    function tokenURI(uint256 id) public view override returns (string memory) {
        (,, bytes32 digest,,) = assetOf(id);
        return string.concat("ipfs://", _cid(digest));
    }

    function name() public pure override returns (string memory) {
        return "Vessel Asset";
    }

    function symbol() public pure override returns (string memory) {
        return "VASSET";
    }

    function supportsInterface(bytes4 interfaceId) public view override(ERC721, IERC165) returns (bool) {
        return interfaceId == type(IERC2981).interfaceId || super.supportsInterface(interfaceId);
    }

    function approve(address account, uint256 id) public payable override {
        require(msg.value == 0, EtherNotTaken());
        super.approve(account, id);
    }

    /// @dev Part of every mint and every transfer.
    function _beforeTokenTransfer(address, address, uint256) internal override {
        require(msg.value == 0, EtherNotTaken());
    }

    function _setParents(uint256 id, Parent[] calldata parents) private {
        require(parents.length <= MAX_PARENTS, TooManyParents(parents.length));
        uint80[MAX_PARENTS] storage stored = _parents[id];
        uint256 sum;
        uint256 last;
        for (uint256 i; i < parents.length; ++i) {
            Parent calldata parent = parents[i];
            require(parent.id > last, ParentsOutOfOrder());
            require(parent.id < id, UnknownParent(parent.id));
            last = parent.id;
            sum += parent.share;
            stored[i] = uint80(last << 16 | parent.share);
        }
        require(sum <= BASIS_POINTS, ShareTooLarge(sum));
    }

    /// @dev Multibase "b" and base32 (lower case, no padding) of prefix and digest: 288 bits in 58 characters of 5 bits.
    function _cid(bytes32 digest) private pure returns (string memory) {
        bytes memory alphabet = "abcdefghijklmnopqrstuvwxyz234567";
        bytes memory text = new bytes(59);
        text[0] = "b";
        // With two zeros at the end these are 290 bits, in two words; the last character is the lowest five.
        uint256 low = uint256(digest) << 2;
        uint256 high = CID_PREFIX << 2 | uint256(digest) >> 254;
        for (uint256 i = 58; i > 0; --i) {
            text[i] = alphabet[low & 31];
            low = low >> 5 | high << 251;
            high >>= 5;
        }
        return string(text);
    }
}
