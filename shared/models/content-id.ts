/**
 * The content id of a byte string, as IPFS gives it (UnixFS, CIDv1, base32): up to 1 MiB it is one raw leaf; longer strings are a
 * balanced tree of raw 1 MiB leaves with up to 1024 links per dag-pb node. The leaf hashes alone give the id, so a list of leaf
 * hashes can be checked against an id, and then any leaf alone against its hash.
 */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { CID } from 'multiformats/cid';
import { create as digestOf } from 'multiformats/hashes/digest';
import { type BlobRef, leafBytes } from './manifest.ts';

/** sha2-256. Places with a faster one than JavaScript's (Node) pass it in. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const sha256Code = 0x12;
const rawCodec = 0x55;
const dagPbCodec = 0x70;
/** Links per tree node: with 1 MiB leaves a root of one level spans 1 GiB. */
const linksPerNode = 1024;

interface DagNode {
  cid: CID;
  /** Bytes of the file below this node. */
  fileBytes: number;
  /** Bytes of this node and everything below it as stored. */
  storedBytes: number;
}

/** Hex sha2-256 of each 1 MiB leaf in order; of one empty leaf for no bytes. */
export function leafDigests(bytes: Uint8Array, sha256: Sha256 = nobleSha256): string[] {
  const digests: string[] = [];
  for (let offset = 0; offset < Math.max(bytes.length, 1); offset += leafBytes) {
    digests.push(bytesToHex(sha256(bytes.subarray(offset, offset + leafBytes))));
  }
  return digests;
}

/** Content id of a string of `totalBytes` with these leaf hashes. `leafSize` is for tests; ids in use have 1 MiB leaves. */
export function cidOfLeaves(
  leaves: readonly string[],
  totalBytes: number,
  sha256: Sha256 = nobleSha256,
  leafSize = leafBytes,
): string {
  if (leaves.length !== Math.max(1, Math.ceil(totalBytes / leafSize))) {
    throw new RangeError(`${totalBytes} bytes do not have ${leaves.length} leaves`);
  }
  let level = leaves.map((leaf, index): DagNode => {
    const bytes = Math.min(leafSize, totalBytes - index * leafSize);
    return { cid: cidFrom(rawCodec, hexToBytes(leaf)), fileBytes: bytes, storedBytes: bytes };
  });
  while (level.length > 1) {
    const parents: DagNode[] = [];
    for (let i = 0; i < level.length; i += linksPerNode) parents.push(parentOf(level.slice(i, i + linksPerNode), sha256));
    level = parents;
  }
  return level[0]!.cid.toString();
}

export function cidOf(bytes: Uint8Array, sha256: Sha256 = nobleSha256): string {
  return cidOfLeaves(leafDigests(bytes, sha256), bytes.length, sha256);
}

/** What a manifest says of these bytes. */
export function blobRefOf(bytes: Uint8Array, sha256: Sha256 = nobleSha256): BlobRef {
  const leaves = leafDigests(bytes, sha256);
  return { cid: cidOfLeaves(leaves, bytes.length, sha256), bytes: bytes.length, leaves };
}

/** Whether `bytes` are the leaf with this hex hash. */
export function verifyLeaf(leaf: string, bytes: Uint8Array, sha256: Sha256 = nobleSha256): boolean {
  return bytesToHex(sha256(bytes)) === leaf;
}

/** CIDv1 of one raw block, whatever its size: for small documents such as manifests. */
export function rawCid(bytes: Uint8Array, sha256: Sha256 = nobleSha256): string {
  return cidFrom(rawCodec, sha256(bytes)).toString();
}

function cidFrom(codec: number, digest: Uint8Array): CID {
  return CID.createV1(codec, digestOf(sha256Code, digest));
}

function parentOf(children: DagNode[], sha256: Sha256): DagNode {
  const fileBytes = children.reduce((sum, child) => sum + child.fileBytes, 0);
  // UnixFS Data: 1 type = 2 (file), 3 filesize, 4 blocksizes of the children
  const unixFs = [...field(1, 2), ...field(3, fileBytes), ...children.flatMap((child) => field(4, child.fileBytes))];
  // dag-pb PBNode: 2 links {1 hash, 2 name (empty), 3 tsize}, then 1 data
  const node = Uint8Array.from([
    ...children.flatMap((child) =>
      block(2, [...block(1, [...child.cid.bytes]), ...block(2, []), ...field(3, child.storedBytes)]),
    ),
    ...block(1, unixFs),
  ]);
  const below = children.reduce((sum, child) => sum + child.storedBytes, 0);
  return { cid: cidFrom(dagPbCodec, sha256(node)), fileBytes, storedBytes: below + node.length };
}

/** A protobuf varint field. */
function field(number: number, value: number): number[] {
  return [number << 3, ...varint(value)];
}

/** A protobuf length-delimited field. */
function block(number: number, bytes: number[]): number[] {
  return [(number << 3) | 2, ...varint(bytes.length), ...bytes];
}

/** Divides instead of shifting: sizes may pass 2^32. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}
