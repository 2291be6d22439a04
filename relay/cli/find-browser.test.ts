import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { findBrowser } from './find-browser.mjs';

test('a browser that is named is the only candidate', () => {
  assert.equal(findBrowser({ VESSEL_BROWSER: process.execPath }), process.execPath);
  assert.equal(findBrowser({ CHROMIUM_PATH: process.execPath }), process.execPath);
  assert.equal(findBrowser({ VESSEL_BROWSER: '/no/such/browser' }), null);
  assert.equal(findBrowser({ VESSEL_BROWSER: tmpdir() }), null);
});

test("the newest browser of Playwright's cache is found, the headless shell is not", async (t) => {
  const cache = await mkdtemp(join(tmpdir(), 'vessel-browsers-'));
  t.after(() => rm(cache, { recursive: true }));
  for (const path of [
    'chromium-999/chrome-linux/chrome',
    'chromium-1200/chrome-linux64/chrome',
    'chromium_headless_shell-1300/chrome-linux/chrome',
  ]) {
    await mkdir(dirname(join(cache, path)), { recursive: true });
    await writeFile(join(cache, path), '');
    await chmod(join(cache, path), 0o755);
  }
  const found = findBrowser({ PLAYWRIGHT_BROWSERS_PATH: cache, HOME: cache });
  // Where a system browser is installed that one goes first.
  assert.ok(found !== null && !found.includes('headless_shell') && !found.includes('999'));
});
