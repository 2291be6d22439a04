/** What a stranger gets from `npm install @vessel/sdk`: in plain Node, in a type check, and in a Vite project in a real browser. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../../relay/cli/headless-browser.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { FreshProject, pack, repository } from './fresh-project.ts';
import { type NodeNetwork, type Question, referenceQuestion, startNodeNetwork } from './node-network.ts';

let project: FreshProject;
let network: NodeNetwork;
let question: Question;

before(
  async () => {
    project = await FreshProject.with(await pack('pack-sdk.mjs'));
    network = await startNodeNetwork();
    question = await referenceQuestion();
  },
  { timeout: 180_000 },
);

after(async () => {
  await network?.close();
  await project?.remove();
});

test('the package has nothing in it but what an asker needs', async () => {
  const bundles = JSON.parse(await readFile(join(repository, 'build/packages/sdk-metafiles.json'), 'utf8')) as Record<
    'browser' | 'node',
    { outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }> }
  >;
  for (const { outputs } of Object.values(bundles)) {
    const inputs = Object.values(outputs).flatMap((output) => Object.keys(output.inputs));
    assert.ok(inputs.includes('sdk/vessel.ts'));
    const foreign = inputs.filter((path) => /^(provider|relay|web|testing)\/|node_modules\/(onnxruntime|react|hono)/.test(path));
    assert.deepEqual(foreign, []);
  }
  const installed = await readdir(project.path('node_modules'));
  const packages = installed.filter((name) => !name.startsWith('.')).sort();
  assert.deepEqual(
    packages.filter((name) => !['@node-datachannel', 'detect-libc'].includes(name)),
    ['@vessel', 'node-datachannel'],
  );
});

test('plain Node asks, aborts, is refused with a code, and ends by itself', async () => {
  await project.write(
    'ask.js',
    `import { connect, VesselError } from '@vessel/sdk';
    const [relay, prompt, maxTokens] = process.argv.slice(2);
    const vessel = await connect({ relay });
    let text = '';
    let route, done;
    for await (const part of vessel.ask({ model: 'vessel-tiny', prompt, maxTokens: +maxTokens, sampling: { temperature: 0 } })) {
      if (part.type === 'route') route = part;
      if (part.type === 'text') text += part.text;
      if (part.type === 'done') done = part;
    }
    const codeOf = async (request, onText = () => {}) => {
      try {
        for await (const part of vessel.ask(request)) if (part.type === 'text') onText();
      } catch (error) {
        return error instanceof VesselError && error.code;
      }
    };
    const abort = new AbortController();
    const cancelled = await codeOf({ model: 'vessel-tiny', prompt, signal: abort.signal }, () => abort.abort());
    const unknown = await codeOf({ model: 'nobody-has-this', prompt });
    console.log(JSON.stringify({ text, hops: route.hops.length, done, cancelled, unknown }));
    await vessel.close();`,
  );
  const output = JSON.parse(
    await project.run(process.execPath, ['ask.js', network.url, question.prompt, `${question.maxTokens}`]),
  );
  assert.equal(output.text, question.answer);
  assert.equal(output.hops, 2);
  assert.equal(output.done.reason, 'length');
  assert.equal(output.done.stats.relayMessagesPerToken, 0);
  assert.equal(output.cancelled, 'cancelled');
  assert.equal(output.unknown, 'model_not_found');
});

test('types need no other package, in a page and in Node', async () => {
  await project.write(
    'typed.ts',
    `import { type AnswerEvent, type AskRequest, ask, connect, type ErrorCode, type Sampling, VesselError } from '@vessel/sdk';
    const sampling: Partial<Sampling> = { temperature: 0, logitBias: [[1, -100]] };
    const request: AskRequest = { model: 'vessel-tiny', messages: [{ role: 'user', content: 'hello' }], sampling };
    export async function answer(relay: string, signal: AbortSignal): Promise<string> {
      const vessel = await connect({ relay });
      let text = '';
      for await (const part of vessel.ask({ ...request, signal })) {
        if (part.type === 'text') text += part.text;
        // @ts-expect-error
        if (part.type === 'nonsense') text += part.text;
      }
      const session = await vessel.service('mnist');
      const { result, meter } = await session.run({}, new Uint8Array(1));
      await vessel.close();
      return text + JSON.stringify(result) + meter.amount.toFixed();
    }
    export const once = (relay: string): AsyncGenerator<AnswerEvent> => ask({ relay, model: 'vessel-tiny', prompt: 'Once' });
    export const codeOf = (error: unknown): ErrorCode | null => (error instanceof VesselError ? error.code : null);`,
  );
  const common = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2024' };
  const places = {
    page: { ...common, module: 'esnext', moduleResolution: 'bundler', lib: ['es2024', 'dom'], types: [] },
    node: {
      ...common,
      module: 'nodenext',
      lib: ['es2024'],
      typeRoots: [join(repository, 'node_modules/@types')],
      types: ['node'],
    },
  };
  for (const [name, compilerOptions] of Object.entries(places)) {
    await project.write(`tsconfig.${name}.json`, JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
    await project.run(process.execPath, [join(repository, 'node_modules/typescript/bin/tsc'), '-p', `tsconfig.${name}.json`]);
  }
});

test('a page built by Vite asks the tabs itself, and goes on when it has left the relay', {
  skip: skipWithoutBrowser,
}, async () => {
  await project.write(
    'index.html',
    '<!doctype html><title>ask</title><p id="answer"></p><script type="module" src="/page.js"></script>',
  );
  await project.write(
    'page.js',
    `import { connect } from '@vessel/sdk';
    const search = new URLSearchParams(location.search);
    const show = (state, text) => {
      document.querySelector('#answer').textContent = text;
      document.title = state;
    };
    try {
      const vessel = await connect({ relay: search.get('relay') });
      let text = '';
      let isFirst = true;
      const [prompt, maxTokens] = [search.get('prompt'), Number(search.get('maxTokens'))];
      for await (const part of vessel.ask({ model: 'vessel-tiny', prompt, maxTokens, sampling: { temperature: 0 } })) {
        if (part.type !== 'text') continue;
        if (isFirst) await vessel.leaveRelay();
        isFirst = false;
        text += part.text;
      }
      await vessel.close();
      show('done', text);
    } catch (error) {
      show('failed', error.stack);
    }`,
  );
  await project.run(process.execPath, [join(repository, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'warn']);
  const page = await serveFolder(project.path('dist'));
  const browser = await launchBrowser();
  try {
    const query = new URLSearchParams({ relay: network.url, prompt: question.prompt, maxTokens: `${question.maxTokens}` });
    const tab = await browser.openTab(`${page.origin}/index.html?${query}`);
    await tab.page.waitForFunction(() => ['done', 'failed'].includes(document.title), null, { timeout: 60_000 });
    assert.equal(await tab.page.textContent('#answer'), question.answer);
    assert.equal(await tab.page.title(), 'done');
  } finally {
    await browser.close();
    page.close();
  }
});

/** Static files on a port of their own: another origin than the relay's, as a stranger's site has. */
async function serveFolder(folder: string): Promise<{ origin: string; close(): void }> {
  const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer(async ({ url = '/' }, response) => {
    const { pathname } = new URL(url, 'http://page');
    const body = await readFile(join(folder, pathname)).catch(() => null);
    if (body === null) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': types[extname(pathname)] ?? 'application/octet-stream' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
