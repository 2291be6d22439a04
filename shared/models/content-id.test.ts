import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { importByteStream } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced } from 'ipfs-unixfs-importer/layout';
import { blobRefOf, cidOf, cidOfLeaves, leafDigests, type Sha256, verifyLeaf } from './content-id.ts';

const MiB = 1 << 20;
/** Node's own: the sizes here would take JavaScript's a while. */
const sha256: Sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** What IPFS's own importer calls the bytes. */
async function ipfsCid(bytes: Uint8Array, chunkSize = MiB): Promise<string> {
  const nowhere = { put: async (cid: unknown) => cid } as unknown as Parameters<typeof importByteStream>[1];
  const result = await importByteStream([bytes], nowhere, {
    cidVersion: 1,
    rawLeaves: true,
    chunker: fixedSize({ chunkSize }),
    layout: balanced({ maxChildrenPerNode: 1024 }),
  });
  return result.cid.toString();
}

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  return bytes;
}

for (const [name, length] of Object.entries({
  'no byte': 0,
  'one byte': 1,
  'one byte less than a leaf': MiB - 1,
  'one leaf': MiB,
  'one byte more than a leaf': MiB + 1,
  'five leaves': 5 * MiB,
})) {
  test(`[MO3] the id of ${name} is the one IPFS gives`, async () => {
    const bytes = pattern(length);
    assert.equal(cidOf(bytes, sha256), await ipfsCid(bytes));
  });
}

test('[MO3] more leaves than a node holds make a second level, as in IPFS', async () => {
  for (const leaves of [1024, 1025, 2 * 1024 + 7]) {
    const bytes = pattern(leaves * 64 - 5);
    const digests = Array.from({ length: leaves }, (_, i) =>
      createHash('sha256')
        .update(bytes.subarray(i * 64, (i + 1) * 64))
        .digest('hex'),
    );
    assert.equal(cidOfLeaves(digests, bytes.length, sha256, 64), await ipfsCid(bytes, 64));
  }
});

test('the hash of plain JavaScript and that of the platform give the same id', () => {
  const bytes = pattern(MiB + 100);
  assert.deepEqual(blobRefOf(bytes), blobRefOf(bytes, sha256));
});

test('[MO4] a leaf is checked without the rest', () => {
  const bytes = pattern(2 * MiB + 3);
  const leaves = leafDigests(bytes, sha256);
  assert.equal(leaves.length, 3);
  assert.ok(verifyLeaf(leaves[2]!, bytes.subarray(2 * MiB), sha256));
  assert.ok(!verifyLeaf(leaves[1]!, bytes.subarray(2 * MiB), sha256));
});

test('a list of leaves that does not fit the size is refused', () => {
  assert.throws(() => cidOfLeaves(leafDigests(pattern(10)), MiB + 1), RangeError);
});
