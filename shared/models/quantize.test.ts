import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomNumbers } from '../../testing/random-numbers.ts';
import { f16Bits, f16Value } from './float16.ts';
import { blockBytes, blocksIn, dequantizeRow, type QuantBits, quantizeRow } from './quantize.ts';

function quantize(row: Float32Array, bits: QuantBits) {
  const blocks = blocksIn(row.length);
  const packed = new Uint8Array(blocks * blockBytes(bits));
  const scales = new Uint16Array(blocks);
  assert.ok(quantizeRow(row, bits, packed, scales));
  const back = new Float32Array(row.length);
  dequantizeRow(packed, scales, bits, back);
  return { packed, scales, back };
}

function gaussianRow(length: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length }, () => random.gaussian() * 0.05);
}

function squaredError(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
}

/** 4 bits as the simplest way has it: largest weight to -8, one scale, no search. */
function plainQ4(row: Float32Array): Float32Array {
  const back = new Float32Array(row.length);
  for (let from = 0; from < row.length; from += 32) {
    const block = row.subarray(from, from + 32);
    const most = block.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    const scale = f16Value(f16Bits(most / -8));
    for (let i = 0; i < block.length; i++) back[from + i] = scale * Math.max(-8, Math.min(7, Math.round(block[i]! / scale)));
  }
  return back;
}

test('8 bits err by half a step at most', () => {
  const row = gaussianRow(32 * 50, 1);
  const { back, scales } = quantize(row, 8);
  row.forEach((value, i) => {
    const step = f16Value(scales[Math.floor(i / 32)]!);
    // The scale's own rounding (2^-11) can clip the largest weight by 127 * 2^-11 = 0.06 steps; that stays below half a step.
    assert.ok(Math.abs(value - back[i]!) <= step * 0.5001, `${value} became ${back[i]}`);
  });
});

test('4 bits err by one step at most, and less in sum than without the search for a scale', () => {
  const row = gaussianRow(32 * 200, 2);
  const { back, scales } = quantize(row, 4);
  row.forEach((value, i) => {
    assert.ok(Math.abs(value - back[i]!) <= Math.abs(f16Value(scales[Math.floor(i / 32)]!)) * 1.5, `${value} became ${back[i]}`);
  });
  assert.ok(squaredError(row, back) < 0.97 * squaredError(row, plainQ4(row)));
});

test('weights that lie on the grid are kept exactly', () => {
  const row = Float32Array.from({ length: 64 }, (_, i) => ((i % 16) - 8) * 0.25);
  assert.deepEqual(quantize(row, 4).back, row);
  const fine = Float32Array.from({ length: 64 }, (_, i) => ((i * 4) % 255) - 127).map((value) => value * 0.5);
  fine[0] = fine[32] = -63.5;
  assert.deepEqual(quantize(fine, 8).back, fine);
});

test('the even weight is in the low nibble and padding is the zero point', () => {
  const row = Float32Array.of(-8, 7, 3);
  const { packed } = quantize(row, 4);
  assert.equal(packed[0], 0 | (15 << 4));
  assert.equal(packed[1], (3 + 8) | (8 << 4));
  assert.deepEqual([...packed.subarray(2)], new Array(14).fill(0x88));
  assert.deepEqual([...quantize(row, 8).packed.subarray(3)], new Array(29).fill(128));
});

test('a block of zeros has scale zero and stays zeros', () => {
  for (const bits of [4, 8] as const) {
    const { back, scales } = quantize(new Float32Array(32), bits);
    assert.deepEqual([...scales], [0]);
    assert.ok(back.every((value) => value === 0));
  }
});

test('weights beyond a half’s scale are reported', () => {
  const row = new Float32Array(32).fill(1e9);
  for (const bits of [4, 8] as const) assert.equal(quantizeRow(row, bits, new Uint8Array(32), new Uint16Array(1)), false);
});
