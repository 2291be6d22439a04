import assert from 'node:assert/strict';
import { test } from 'node:test';
import { merge } from './merge.ts';

async function* count(name: string, to: number, onEnd?: () => void) {
  try {
    for (let value = 1; value <= to; value++) yield `${name}${value}`;
  } finally {
    onEnd?.();
  }
}

async function listOf<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

test('everything from every source comes, each source in its own order', async () => {
  const all = await listOf(merge([count('a', 3), count('b', 1), count('c', 2)]));
  assert.deepEqual(all.toSorted(), ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']);
  assert.deepEqual(
    all.filter((value) => value.startsWith('a')),
    ['a1', 'a2', 'a3'],
  );
});

test('a reader that leaves ends every source', async () => {
  let ended = 0;
  const sources = ['a', 'b'].map((name) => count(name, 10, () => ended++));
  for await (const _ of merge(sources)) break;
  await new Promise(setImmediate);
  assert.equal(ended, 2);
});

test('the failure of one source fails the whole and ends the others', async () => {
  let ended = 0;
  async function* fails(): AsyncGenerator<string> {
    yield 'x';
    throw new Error('broken');
  }
  await assert.rejects(listOf(merge([fails(), count('a', 1000, () => ended++)])), /broken/);
  await new Promise(setImmediate);
  assert.equal(ended, 1);
});

test('sources that are always ready take turns', async () => {
  assert.deepEqual(await listOf(merge([count('a', 3), count('b', 3)])), ['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
});
