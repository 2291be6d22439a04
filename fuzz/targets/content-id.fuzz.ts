/** Leaf hashes and a length, as a manifest names them: a CID or a RangeError, and a leaf more or less never goes unnoticed. */
import { match } from 'node:assert/strict';
import { z } from 'zod';
import { cidOfLeaves } from '../../shared/models/content-id.ts';
import { blobRefSchema } from '../../shared/models/manifest.ts';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import type { TextTarget } from '../engine/target.ts';

/** Small leaves, so that trees of several levels are short. */
const leafSize = 4;
const schema = z.strictObject({ bytes: blobRefSchema.shape.bytes, leaves: blobRefSchema.shape.leaves });
const leaf = 'ab'.repeat(32);

export const target: TextTarget = {
  name: 'content-id',
  form: 'json',
  maxLength: 256 * 1024,
  seeds: [1, 2, 40].map((count) =>
    JSON.stringify({ bytes: count * leafSize, leaves: Array.from({ length: count }, () => leaf) }),
  ),
  refusals: ['bad_message'],
  isRefusal: (thrown) => thrown instanceof RangeError && /leaves$/.test(thrown.message),
  decode(text) {
    const { bytes, leaves } = parseMessage(schema, text);
    match(cidOfLeaves(leaves, bytes, undefined, leafSize), /^b[a-z2-7]{20,120}$/);
    return leaves.length > 1024 ? 'two levels' : 'one level';
  },
};
