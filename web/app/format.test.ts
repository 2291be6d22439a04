import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatLayers, formatProgress, formatSeconds, layersPhrase, plural } from './format.ts';

test('bytes are written with at most three digits', () => {
  assert.equal(formatBytes(0), '0 bytes');
  assert.equal(formatBytes(999), '999 bytes');
  assert.equal(formatBytes(1000), '1.0 kB');
  assert.equal(formatBytes(7_092_280), '7.1 MB');
  assert.equal(formatBytes(999_700), '1.0 MB');
  assert.equal(formatBytes(512_000_000), '512 MB');
});

test('progress is written in the unit of the total', () => {
  assert.equal(formatProgress(3_200_000, 7_092_280), '3.2 of 7.1 MB');
  assert.equal(formatProgress(120_000, 512_000_000), '0 of 512 MB');
  assert.equal(formatProgress(0, 0), '0 of 0 bytes');
});

test('layer ranges are written with their last layer included', () => {
  assert.equal(formatLayers(4, 8), '4–7');
  assert.equal(formatLayers(3, 4), '3');
  assert.equal(layersPhrase(3, 4), 'layer 3');
});

test('times and counts read as words', () => {
  assert.equal(formatSeconds(42), '42 ms');
  assert.equal(formatSeconds(840), '0.8 s');
  assert.equal(formatSeconds(12_300), '12 s');
  assert.equal(plural(1, 'session'), '1 session');
  assert.equal(plural(1200, 'token'), '1,200 tokens');
});
