import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { callNode, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { isProcessAlive } from '../files/process-alive.ts';
import { LocalChain } from './local-chain.ts';

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-chain-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A process that starts a local chain and mines five blocks; then it says so and waits. */
async function startParent(t: TestContext, folder: string) {
  const program = `
    import { LocalChain } from ${JSON.stringify(new URL('./local-chain.ts', import.meta.url).href)};
    import { callNode } from ${JSON.stringify(new URL('../../testing/chain-under-test.ts', import.meta.url).href)};
    const chain = await LocalChain.start(${JSON.stringify(folder)});
    await callNode(chain.url, 'anvil_mine', ['0x5']);
    console.log('runs');
    process.stdin.resume();`;
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => parent.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    parent.stdout.once('data', () => resolve());
    parent.once('exit', (code) => reject(new Error(`the parent ended with ${code}`)));
  });
  const { pid } = JSON.parse(await readFile(join(folder, 'process.json'), 'utf8')) as { pid: number };
  assert.equal(isProcessAlive(pid), true);
  return { parent, pid };
}

async function untilDead(pid: number): Promise<void> {
  while (isProcessAlive(pid)) await wait(50);
}

test('a chain whose parent was killed with -9 ends with it, its state written', {
  skip: skipWithoutAnvil,
  timeout: 60_000,
}, async (t) => {
  const folder = await newFolder(t);
  const { parent, pid } = await startParent(t, folder);
  parent.kill('SIGKILL');
  await untilDead(pid);
  const next = await LocalChain.start(folder);
  t.after(() => next.close());
  assert.equal(await callNode(next.url, 'eth_blockNumber'), '0x5');
});

test('a chain whose parent was interrupted before it could close it ends too', {
  skip: skipWithoutAnvil,
  timeout: 60_000,
}, async (t) => {
  const folder = await newFolder(t);
  const { parent, pid } = await startParent(t, folder);
  const ended = new Promise((resolve) => parent.once('exit', resolve));
  parent.kill('SIGINT');
  await ended;
  await untilDead(pid);
});
