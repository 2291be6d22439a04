import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bf16Bits, bf16Value, decodeBf16, encodeF16, f16Bits, f16Value } from './float16.ts';

test('every half survives the way to a float and back', () => {
  for (let bits = 0; bits < 65_536; bits++) {
    const value = f16Value(bits);
    if (Number.isNaN(value)) assert.ok(Number.isNaN(f16Value(f16Bits(value))));
    else assert.equal(f16Bits(value), bits, `bits ${bits.toString(16)}`);
  }
});

test('a float between two halves goes to the nearer one, a tie to the even one', () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const low = f16Value(bits);
    const high = f16Value(bits + 1);
    const middle = (low + high) / 2;
    assert.equal(f16Bits(middle), bits % 2 ? bits + 1 : bits);
    assert.equal(f16Bits(Math.fround(middle - (high - low) / 8)), bits);
    assert.equal(f16Bits(Math.fround(-middle - (high - low) / 8)), (bits + 1) | 0x8000);
  }
});

test('what a half cannot hold is reported with its index', () => {
  const halves = new Uint16Array(3);
  assert.equal(encodeF16(Float32Array.of(65_519, -65_504, 1e-9), halves), -1);
  assert.deepEqual([...halves], [0x7bff, 0xfbff, 0]);
  assert.equal(encodeF16(Float32Array.of(1, -65_520, 1e9), halves), 1);
});

test('bfloat16 keeps the upper half of a float, rounded to nearest even', () => {
  assert.equal(bf16Value(bf16Bits(1.5)), 1.5);
  assert.equal(bf16Bits(1 + 2 ** -8), bf16Bits(1));
  assert.equal(bf16Bits(1 + 3 * 2 ** -8), bf16Bits(1 + 2 ** -6));
  assert.ok(Number.isNaN(bf16Value(bf16Bits(Number.NaN))));
  const floats = new Float32Array(2);
  decodeBf16(Uint16Array.of(0x3f80, 0xc040), floats);
  assert.deepEqual([...floats], [1, -3]);
});
