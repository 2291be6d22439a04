import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { VesselError } from '../../shared/protocol/errors.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { launchBrowser } from './headless-browser.ts';

const needsBrowser = { skip: skipWithoutBrowser };
const profilesOf = (pid: number) => readdirSync(tmpdir()).filter((name) => name.startsWith(`vessel-browser-${pid}-`));

test('two tabs share no OPFS, WebGPU is there, and nothing is left after closing', needsBrowser, async () => {
  const server = createServer((_, response) => response.end('<!doctype html><title>tab</title>')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const browser = await launchBrowser();
  try {
    const [a, b] = [await browser.openTab(url), await browser.openTab(url)];
    await a.page.evaluate(
      'navigator.storage.getDirectory().then((root) => root.getFileHandle("mine", { create: true })).then(() => {})',
    );
    const count =
      'navigator.storage.getDirectory().then(async (root) => { let n = 0; for await (const _ of root.keys()) n += 1; return n; })';
    assert.equal(await a.page.evaluate(count), 1);
    assert.equal(await b.page.evaluate(count), 0);
    assert.equal(
      await a.page.evaluate('"gpu" in navigator && navigator.gpu.requestAdapter().then((adapter) => adapter !== null)'),
      true,
    );
    assert.equal(profilesOf(process.pid).length, 1);
  } finally {
    await browser.close();
    server.close();
  }
  assert.deepEqual(profilesOf(process.pid), []);
});

test('a missing or broken browser is told with advice', async () => {
  const unsupported = (words: RegExp) => (error: unknown) =>
    error instanceof VesselError && error.code === 'unsupported' && words.test(error.message);
  await assert.rejects(launchBrowser({ env: { VESSEL_BROWSER: '/no/such/browser' } }), unsupported(/no browser at \/no\/such/));
  await assert.rejects(
    launchBrowser({ env: { VESSEL_BROWSER: process.execPath } }),
    unsupported(/does not start.*VESSEL_BROWSER/),
  );
  assert.deepEqual(profilesOf(process.pid), []);
});

for (const end of ['SIGTERM', 'SIGINT', 'SIGKILL', 'an uncaught error'] as const) {
  test(`no browser outlives its process ended by ${end}`, needsBrowser, async () => {
    const script = `
      import { launchBrowser } from ${JSON.stringify(new URL('./headless-browser.ts', import.meta.url).href)};
      const browser = await launchBrowser();
      await browser.openTab('about:blank');
      console.log('ready');
      process.stdin.once('data', () => { throw new Error('uncaught'); });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'ignore'] });
    await once(child.stdout!, 'data');
    const profile = profilesOf(child.pid!)[0]!;
    assert.ok(countBrowsers(profile) > 0, 'a browser runs with that profile');
    if (end === 'an uncaught error') child.stdin!.write('x');
    else child.kill(end);
    await once(child, 'exit');
    for (let waited = 0; countBrowsers(profile) > 0 && waited < 100; waited += 1) await delay(100);
    assert.equal(countBrowsers(profile), 0);
    // After a SIGKILL nobody can clean up; the next launch does.
    if (end === 'SIGKILL') await (await launchBrowser()).close();
    assert.equal(existsSync(join(tmpdir(), profile)), false);
  });
}

/** Processes whose command line names the profile (Linux; elsewhere the check is empty). */
function countBrowsers(profile: string): number {
  if (!existsSync('/proc')) return process.platform === 'linux' ? 0 : 1;
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(profile)).length;
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
