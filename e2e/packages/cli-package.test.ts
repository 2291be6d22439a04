/** What a stranger gets from `npm install vessel`: the command, far from the repository, with its model, its page and a network. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { FreshProject, pack } from './fresh-project.ts';
import { type Question, referenceQuestion } from './node-network.ts';

let project: FreshProject;
let question: Question;
const running: ChildProcess[] = [];

before(
  async () => {
    project = await FreshProject.with(await pack('pack-cli.mjs'));
    question = await referenceQuestion();
  },
  { timeout: 180_000 },
);

after(async () => {
  for (const child of running) if (child.exitCode === null) child.kill('SIGKILL');
  await project?.remove();
});

test('npx vessel runs, with no package beside it but WebRTC, the browser driver, the books and the local chain', async () => {
  assert.match(await project.run('npx', ['--no-install', 'vessel', '--version']), /^\d+\.\d+\.\d+\n$/);
  assert.match(await project.run('npx', ['--no-install', 'vessel', '--help']), /demo .*\n.*relay /);
  const { dependencies } = JSON.parse(await project.run('npm', ['ls', '--all', '--json'])) as {
    dependencies: { vessel: { dependencies: Record<string, unknown> } };
  };
  const beside = ['@electric-sql/pglite', '@foundry-rs/anvil', 'node-datachannel', 'pg', 'playwright-core'];
  assert.deepEqual(Object.keys(dependencies.vessel.dependencies).sort(), beside);
});

test('relay and provider start from the installed command and answer over HTTP with the model that came along', async () => {
  const relay = vessel(['relay', '--port', '0', '--data', 'relay-data']);
  const url = await relay.line(/http:\/\/[\w.:]+/);
  const provider = vessel(['provide', '--relay', url, '--memory', '500', '--data', 'provider-data']);
  await provider.line(/\bready\b/);

  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'vessel-tiny',
      messages: [{ role: 'user', content: userTextOf(question.prompt) }],
      max_tokens: question.maxTokens,
      temperature: 0,
    }),
  });
  const body = await response.text();
  assert.equal(response.status, 200, body);
  assert.equal(JSON.parse(body).choices[0].message.content, question.answer);

  const page = await fetch(url);
  assert.match(await page.text(), /<title>Vessel/);
  const runtime = await fetch(`${url}/ort/ort-wasm-simd-threaded.wasm`, { method: 'HEAD' });
  assert.equal(runtime.status, 200);

  assert.equal(await provider.end(), 0);
  assert.equal(await relay.end(), 0);
  const models = JSON.parse(
    await project.run('npx', ['--no-install', 'vessel', 'model', 'ls', '--json', '--data', 'relay-data']),
  ) as { name: string }[];
  assert.ok(models.some(({ name }) => name === 'vessel-tiny'));
});

test('the installed start has a local chain with its contracts, and books that check', async () => {
  const start = vessel(['start', '--tabs', '0', '--port', '0', '--data', 'start-data']);
  await start.line(/chain +http:\/\/[\w.:]+/);
  const checked = await project.run('npx', ['--no-install', 'vessel', 'books', 'check', '--data', 'start-data']);
  assert.match(checked, /difference: 0 wei/);
  assert.equal(await start.end(), 0);
});

/** Starts the installed command; what it prints is searched for the lines that say it is up. */
function vessel(args: string[]) {
  const child = spawn(process.execPath, [project.path('node_modules/vessel/bin/vessel.mjs'), ...args], { cwd: project.folder });
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const closed = once(child, 'close');
  return {
    async line(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = pattern.exec(output);
        if (found) return found[0];
        if (child.exitCode !== null) throw new Error(`vessel ${args[0]} ended:\n${output}`);
        await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), closed]);
      }
    },
    async end(): Promise<number | null> {
      child.kill('SIGTERM');
      await closed;
      return child.exitCode;
    },
  };
}

/** What the user says in a prompt of the model's chat form. */
function userTextOf(prompt: string): string {
  return /<\|im_start\|>user\n(.*?)<\|im_end\|>/s.exec(prompt)![1]!;
}
