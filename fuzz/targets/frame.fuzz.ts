/** Frames between hops. What decodes must encode to the same bytes. */
import { deepEqual } from 'node:assert/strict';
import { decodeFrame, encodeFrame } from '../../shared/protocol/frame.ts';
import type { BytesTarget } from '../engine/target.ts';

const head = {
  session: '0123456789abcdef'.repeat(2),
  epoch: 1,
  position: 3,
  prior: Uint8Array.from({ length: 8 }, (_, i) => i),
  after: Uint8Array.from({ length: 8 }, (_, i) => 255 - i),
};

export const target: BytesTarget = {
  name: 'frame',
  form: 'bytes',
  maxLength: 4096,
  seeds: [
    encodeFrame({ kind: 'token', ...head, token: 77 }),
    encodeFrame({ kind: 'hidden', ...head, dtype: 'f32', count: 2, width: 4, endOfPrompt: true, payload: new Uint8Array(32) }),
    encodeFrame({ kind: 'hidden', ...head, dtype: 'f16', count: 1, width: 16, endOfPrompt: false, payload: new Uint8Array(32) }),
  ],
  refusals: ['bad_message', 'version_mismatch', 'frame_too_large'],
  decode(bytes) {
    const frame = decodeFrame(bytes);
    deepEqual(encodeFrame(frame), bytes);
    return `${frame.kind}`;
  },
};
