/** A model's manifest. One that is accepted has one spelling, and its blobs' leaves either make up their CID or do not. */
import { equal } from 'node:assert/strict';
import { cidOfLeaves, rawCid } from '../../shared/models/content-id.ts';
import { manifestSchema } from '../../shared/models/manifest.ts';
import { manifestBytes, requireManifest } from '../../shared/models/manifest-id.ts';
import type { TextTarget } from '../engine/target.ts';
import { graphManifest, languageManifest } from '../samples/manifests.ts';

const encoder = new TextEncoder();

export const target: TextTarget = {
  name: 'manifest',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [languageManifest, graphManifest].map((manifest) => JSON.stringify(manifest)),
  refusals: ['bad_blob'],
  // What fetches a blob compares leaves with CID by `cidOfLeaves`, which refuses a wrong number of leaves so.
  isRefusal: (thrown) => thrown instanceof RangeError && /leaves$/.test(thrown.message),
  decode(text) {
    const bytes = encoder.encode(text);
    const manifest = requireManifest(bytes, rawCid(bytes));
    const again = manifestBytes(manifest);
    equal(rawCid(manifestBytes(manifestSchema.parse(JSON.parse(new TextDecoder().decode(again))))), rawCid(again));
    const blob = manifest.kind === 'graph' ? manifest.graph : manifest.tokenizer;
    return `${manifest.kind} ${cidOfLeaves(blob.leaves, blob.bytes) === blob.cid}`;
  },
};
