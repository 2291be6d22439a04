import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

test('shared/chain is what the compiler makes of contracts/src', async () => {
  const script = join(import.meta.dirname, '../../scripts/build-contracts.mjs');
  const { stderr } = await promisify(execFile)(process.execPath, [script, '--check']);
  assert.equal(stderr, '');
});
