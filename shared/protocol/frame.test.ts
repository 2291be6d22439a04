import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VesselError } from './errors.ts';
import { decodeFrame, encodeFrame, type Frame, frameHeaderBytes, type HiddenFrame, type TokenFrame } from './frame.ts';
import { limits } from './limits.ts';
import { frameProtocol, orderProtocol, probeProtocol, protocolVersion } from './version.ts';

const head = {
  session: '000102030405060708090a0b0c0d0e0f',
  epoch: 0x01020304,
  position: 5,
  prior: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
  after: Uint8Array.from([9, 10, 11, 12, 13, 14, 15, 16]),
};
const token: TokenFrame = { kind: 'token', ...head, token: 0x0a0b0c };
const hidden: HiddenFrame = {
  kind: 'hidden',
  ...head,
  dtype: 'f16',
  count: 2,
  width: 3,
  endOfPrompt: true,
  payload: Uint8Array.from({ length: 12 }, (_, i) => 100 + i),
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('[FR1] a frame is laid out byte by byte as the table says', () => {
  const common = '000102030405060708090a0b0c0d0e0f 04030201 05000000';
  const hashes = '0102030405060708 090a0b0c0d0e0f10';
  const layout = (text: string) => text.replaceAll(' ', '');
  assert.equal(hex(encodeFrame(token)), layout(`01 01 00 00 ${common} 01000000 00000000 ${hashes} 0c0b0a00`));
  const payload = '6465666768696a6b6c6d6e6f';
  assert.equal(hex(encodeFrame(hidden)), layout(`01 00 01 01 ${common} 02000000 03000000 ${hashes} ${payload}`));
  assert.equal(frameHeaderBytes, 52);
});

const bytes8 = fc.uint8Array({ minLength: 8, maxLength: 8 });
const anyHead = {
  session: fc.stringMatching(/^[0-9a-f]{32}$/),
  epoch: fc.nat({ max: 0xffff_ffff }),
  position: fc.nat({ max: limits.maxContext - limits.prefillChunk }),
  prior: bytes8,
  after: bytes8,
};
const anyToken = fc.record({ kind: fc.constant('token' as const), ...anyHead, token: fc.nat({ max: 0xffff_ffff }) });
const anyHidden = fc
  .record({
    dtype: fc.constantFrom('f32' as const, 'f16' as const),
    count: fc.integer({ min: 1, max: limits.prefillChunk }),
    width: fc.integer({ min: 1, max: 40 }),
  })
  .chain(({ dtype, count, width }) => {
    const length = count * width * (dtype === 'f16' ? 2 : 4);
    return fc.record({
      kind: fc.constant('hidden' as const),
      ...anyHead,
      dtype: fc.constant(dtype),
      count: fc.constant(count),
      width: fc.constant(width),
      endOfPrompt: fc.boolean(),
      payload: fc.uint8Array({ minLength: length, maxLength: length }),
    });
  });
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(anyToken, anyHidden);

test('[FR2] what is encoded is decoded again, wherever in a buffer it lies', () => {
  fc.assert(
    fc.property(anyFrame, fc.nat({ max: 7 }), (frame, offset) => {
      const bytes = encodeFrame(frame);
      const room = new Uint8Array(offset + bytes.byteLength);
      room.set(bytes, offset);
      assert.deepEqual(plain(decodeFrame(room.subarray(offset))), plain(frame));
    }),
  );
});

function plain(frame: Frame): object {
  const arrays = { prior: [...frame.prior], after: [...frame.after] };
  return frame.kind === 'token' ? { ...frame, ...arrays } : { ...frame, ...arrays, payload: [...frame.payload] };
}

test('[FR5] any bytes at all are a frame or are refused with a documented code', () => {
  const codes = new Set(['bad_message', 'version_mismatch', 'frame_too_large']);
  const tryDecode = (bytes: Uint8Array) => {
    try {
      decodeFrame(bytes);
    } catch (thrown) {
      assert.ok(thrown instanceof VesselError && codes.has(thrown.code), String(thrown));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), tryDecode), { numRuns: 300 });
  const flipped = fc.tuple(anyFrame, fc.array(fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 255 })), { maxLength: 4 }));
  fc.assert(
    fc.property(flipped, ([frame, flips]) => {
      const bytes = encodeFrame(frame);
      for (const [at, value] of flips) bytes[at % bytes.byteLength] = value;
      tryDecode(bytes);
    }),
    { numRuns: 300 },
  );
});

/** Where a field begins, and the value put there. */
const malformed: [why: string, frame: Frame, at: number, value: number, size: 1 | 4][] = [
  ['an unknown kind', token, 1, 2, 1],
  ['an unknown dtype', hidden, 2, 2, 1],
  ['an unknown flag', hidden, 3, 2, 1],
  ['no rows', hidden, 28, 0, 4],
  ['more rows than a chunk', hidden, 28, limits.prefillChunk + 1, 4],
  ['no columns', hidden, 32, 0, 4],
  ['more columns than any model', hidden, 32, limits.maxHidden + 1, 4],
  ['fewer rows than it carries', hidden, 28, 1, 4],
  ['a position beyond any context', hidden, 24, limits.maxContext - 1, 4],
  ['a token position beyond any context', token, 24, limits.maxContext, 4],
  ['a token frame with a dtype', token, 2, 1, 1],
  ['a token frame with flags', token, 3, 1, 1],
  ['a token frame with two rows', token, 28, 2, 4],
  ['a token frame with a width', token, 32, 1, 4],
];
for (const [why, frame, at, value, size] of malformed) {
  test(`[FR3] a frame with ${why} is refused`, () => {
    const bytes = encodeFrame(frame);
    const view = new DataView(bytes.buffer);
    if (size === 1) view.setUint8(at, value);
    else view.setUint32(at, value, true);
    assert.throws(() => decodeFrame(bytes), { code: 'bad_message' });
  });
}

test('[FR3] a frame that is cut short anywhere, or has bytes too many, is refused', () => {
  for (const frame of [token, hidden]) {
    const bytes = encodeFrame(frame);
    for (let length = 0; length < bytes.byteLength; length++) {
      assert.throws(() => decodeFrame(bytes.subarray(0, length)), { code: 'bad_message' });
    }
    assert.throws(() => decodeFrame(Uint8Array.from([...bytes, 0])), { code: 'bad_message' });
  }
});

test('[FR4] nothing larger than the largest frame is looked at', () => {
  const largest = limits.prefillChunk * limits.maxHidden * 4 + frameHeaderBytes;
  assert.ok(largest <= limits.maxFrameBytes, 'the largest frame that can be said is allowed');
  assert.throws(() => decodeFrame(new Uint8Array(limits.maxFrameBytes + 1)), { code: 'frame_too_large' });
});

test('[PV3] a frame of another version is refused before the rest is read', () => {
  for (const version of [0, protocolVersion + 1, 255]) {
    assert.throws(() => decodeFrame(encodeFrame(token).with(0, version)), { code: 'version_mismatch' });
  }
});

test('[PV4] every libp2p protocol name ends in the version', () => {
  for (const name of [orderProtocol, frameProtocol, probeProtocol]) assert.equal(name.split('/').at(-1), String(protocolVersion));
});
