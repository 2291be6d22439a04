import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes } from './format-bytes.ts';
import { Progress } from './progress.ts';

function record(isTTY: boolean) {
  let now = 0;
  const written: string[] = [];
  const progress = new Progress({ isTTY, columns: 60, write: (text) => written.push(text) }, () => now);
  const pass = (ms: number) => {
    now += ms;
  };
  return { progress, written, pass };
}

test('a terminal gets a bar that redraws itself and goes at the end', () => {
  const { progress, written, pass } = record(true);
  progress.start('converting a model with a name that is long');
  for (let done = 0; done <= 1000; done += 10) {
    pass(10);
    progress.update(done, 1000);
  }
  progress.finish('1.0 kB');
  assert.ok(written.length < 20, 'it is not redrawn for every byte');
  assert.ok(written.every((text) => !text.includes('\n') || text === written.at(-1)));
  assert.ok(written.slice(0, -2).every((text) => text.length <= 60 + '\r\x1b[K'.length));
  assert.match(written.at(-1)!, /: 1\.0 kB \(1\.0 s\)\n$/);
});

test('a log gets a line per tenth, and nothing after the end', () => {
  const { progress, written } = record(false);
  progress.start('downloading x');
  for (let done = 0; done <= 1000; done += 1) progress.update(done, 1000);
  progress.finish();
  progress.update(5, 10);
  assert.equal(written.length, 11);
  assert.equal(written[1], 'downloading x: 10 % of 1.0 kB\n');
});

test('bytes are written in decimal units', () => {
  assert.deepEqual([0, 999, 1000, 999_949, 999_950, 7_134_308, 2.5e12].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '7.1 MB',
    '2.5 TB',
  ]);
});
