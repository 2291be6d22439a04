import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteCodec, byteIds } from '../../testing/byte-codec.ts';
import { AnswerText } from './answer-text.ts';

const codec = byteCodec();

function run(ids: number[], stops: string[]) {
  const answer = new AnswerText<{ id: number }>(codec.stream(), stops);
  const pieces = [];
  for (const id of ids) {
    const piece = answer.push({ id });
    pieces.push(piece);
    if (piece.isStopped) return pieces;
  }
  return [...pieces, answer.end()];
}

test('a token is given out with the first of its text', () => {
  const pieces = run(byteIds('aé'), []);
  assert.deepEqual(
    pieces.map(({ text, tokens }) => [text, tokens.length]),
    [
      ['a', 1],
      ['', 0],
      ['é', 2],
      ['', 0],
    ],
  );
});

test('tokens of a stop string are never given out, those before it all are', () => {
  const pieces = run(byteIds('abSTOPc'), ['STOP']);
  assert.equal(pieces.map(({ text }) => text).join(''), 'ab');
  assert.deepEqual(
    pieces.flatMap(({ tokens }) => tokens.map(({ offset }) => offset)),
    [0, 1],
  );
  assert.ok(pieces.at(-1)!.isStopped);
});

test('without a stop every token is given out once, in order, at the place where its text begins', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
      const ids = byteIds(text);
      const pieces = run(ids, ['\u0000zz']);
      if (text.includes('\u0000zz')) return;
      const tokens = pieces.flatMap((piece) => piece.tokens);
      assert.equal(pieces.map((piece) => piece.text).join(''), codec.decode(ids));
      assert.deepEqual(
        tokens.map(({ token }) => token.id),
        ids,
      );
      assert.deepEqual(
        tokens.map(({ offset }) => offset),
        tokens.map(({ offset }) => offset).toSorted((a, b) => a - b),
      );
    }),
  );
});
