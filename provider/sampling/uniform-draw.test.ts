import assert from 'node:assert/strict';
import { test } from 'node:test';
import { philox4x32 } from './philox.ts';
import { uniformDraw } from './uniform-draw.ts';

const hex = (words: number[]): string => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

test('[SA1] philox gives the published known answers of Random123', () => {
  assert.equal(hex(philox4x32([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8');
  const ones = 0xffffffff;
  assert.equal(hex(philox4x32([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd');
  const digitsOfPi = philox4x32([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]);
  assert.equal(hex(digitsOfPi), 'd16cfe09 94fdcceb 5001e420 24126ea1');
});

test('[SA1] a draw is its documented function of the philox words', () => {
  const seed = 0x1f_89ab_cdef_0123 % Number.MAX_SAFE_INTEGER;
  const [word0, word1] = philox4x32([4711, 3, 0, 0], [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]);
  const bits = (BigInt(word0 >>> 5) << 26n) | BigInt(word1 >>> 6);
  assert.equal(uniformDraw(seed, 3, 4711), Number(bits) / 2 ** 53);
  assert.equal(uniformDraw(0, 0, 0), Number(((0x6627e8d5n >> 5n) << 26n) | (0xe169c58dn >> 6n)) / 2 ** 53);
});

test('[SA2] seed (all 53 bits), choice and position each change the draw', () => {
  const draws = [
    uniformDraw(1, 0, 0),
    uniformDraw(2, 0, 0),
    uniformDraw(1 + 2 ** 32, 0, 0),
    uniformDraw(1 + 2 ** 52, 0, 0),
    uniformDraw(1, 1, 0),
    uniformDraw(1, 0, 1),
  ];
  assert.equal(new Set(draws).size, draws.length);
  for (const draw of draws) assert.ok(draw >= 0 && draw < 1);
});

test('draws are uniform over positions, choices and seeds (chi-square, fixed inputs)', () => {
  // 100 cells: 99 degrees of freedom, mean 99, standard deviation sqrt(198) = 14.07. 99 + 4 sigma = 155.3.
  const bound = 99 + 4 * Math.sqrt(2 * 99);
  const count = 100_000;
  const along = {
    position: (i: number) => uniformDraw(7, 0, i),
    seed: (i: number) => uniformDraw(i, 0, 5),
    choice: (i: number) => uniformDraw(11, i % 8, Math.floor(i / 8)),
  };
  for (const [name, draw] of Object.entries(along)) {
    const cells = new Float64Array(100);
    for (let i = 0; i < count; i++) cells[Math.floor(draw(i) * 100)]!++;
    const expected = count / 100;
    const chiSquare = cells.reduce((sum, observed) => sum + (observed - expected) ** 2 / expected, 0);
    assert.ok(chiSquare < bound, `${name}: ${chiSquare} ≥ ${bound}`);
  }
});
