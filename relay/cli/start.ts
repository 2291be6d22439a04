/** `vessel start`: relay, page and two provider tabs on this machine, and where to look. */

import { VesselError } from '../../shared/protocol/errors.ts';
import { findAnvil } from '../chain/find-anvil.ts';
import { type LocalNetwork, openLocalNetwork } from '../chain/local-network.ts';
import type { ApiKeys } from '../http/keys/api-keys.ts';
import { ModelStore } from '../models/model-store.ts';
import { startRelay } from '../start-relay.ts';
import { forgetLocalChain, localNetworkFolders } from './chain-folders.ts';
import type { Command, CommandIo } from './command.ts';
import { type DataFolder, dataFolderPath, openDataFolder } from './data-folder.ts';
import { addDefaultModel, addDefaultServices, defaultModel } from './default-models.ts';
import { ensurePage } from './ensure-page.ts';
import { findBrowser } from './find-browser.mjs';
import { listDefaultModels } from './list-default-models.ts';
import { parseCount, parseOptions } from './parse-options.ts';
import { openProviderTabs, type ProviderTabs } from './provider-tabs.ts';
import { choosePort } from './serve-options.ts';
import { untilAborted, waitUntil } from './wait-until.ts';

const usage = `usage: vessel start [options]     (in the repository: npm start -- [options])

Brings up a whole network on this machine: relay, page, a local chain, and provider tabs in headless Chromium if a browser is there.

  --port <n>         port of everything (default: 8787, or the next free one)
  --host <address>   address to listen on (default: 127.0.0.1)
  --tabs <n>         provider tabs, 0 for none (default: 2)
  --backend <...>    webgpu or wasm for those tabs (default: webgpu)
  --no-chain         no local chain: everything is free
  --data <folder>    data folder (default: VESSEL_HOME or ~/.vessel)
`;

const options = {
  port: { type: 'string' },
  host: { type: 'string' },
  tabs: { type: 'string' },
  backend: { type: 'string' },
  'no-chain': { type: 'boolean' },
  data: { type: 'string' },
} as const;

const tabMemoryBytes = 2 * 2 ** 30;
/** Answers of a small model cost little, and whoever tries it wants to see them paid: soon, and however small. */
const localPayments = { epochMs: 60_000, tickMs: 2_000, minPayout: 1n, minClaim: 1n };
/** The key that the welcome shows. */
const startKeyName = 'vessel start';
const readyTimeoutMs = 300_000;

export const startCommand: Command = {
  name: 'start',
  summary: 'bring up a whole network on this machine and say where to look',
  usage,
  async run(args, io) {
    const { values } = parseOptions(args, options);
    const host = values.host ?? '127.0.0.1';
    const asked = values.port === undefined ? null : parseCount(values.port, 'port', 0, 65_535);
    const backend = values.backend === 'wasm' ? 'wasm' : 'webgpu';
    const tabCount = findBrowser(io.env) === null ? 0 : parseCount(values.tabs ?? '2', 'tabs', 0, 32);
    const data = await openDataFolder(dataFolderPath(io.env, values.data));
    const lock = await data.lock();
    const cleanups: (() => Promise<unknown>)[] = [() => lock.release()];
    try {
      io.stderr.write(`data folder: ${data.path}  (vessel data reset empties it)\n`);
      const page = await ensurePage(io);
      const store = await new ModelStore(data.models).open();
      const tiny = await addDefaultModel(store, data, io);
      const graphs = await addDefaultServices(store, data);
      const layers = tiny.manifest.kind === 'language' ? tiny.manifest.architecture.layers : 0;
      const half = Math.ceil(layers / 2);
      const network = values['no-chain'] ? null : await openNetwork(data, io);
      if (network) {
        cleanups.unshift(() => network.close());
        await listDefaultModels(network, [tiny, ...graphs]);
      }
      const relay = await startRelay({
        folder: data.relay,
        store,
        host,
        port: await choosePort(asked, host),
        pageFolder: page,
        // Small as it is, one tab could hold it all: cut in two, so that there is a network to see.
        policy: { split: new Map([[tiny.id, [half, layers - half]]]) },
        ...(network
          ? {
              chain: network.relayChain,
              housePayer: network.payer,
              payments: localPayments,
              onTrouble: (error) => tellTrouble(error, io),
            }
          : {}),
      });
      cleanups.unshift(() => relay.close());
      const key = network ? await freshKey(relay.keys) : null;
      if (tabCount > 0) {
        io.stderr.write(`opening ${tabCount} provider tabs in headless Chromium (${backend}) …\n`);
        const tabs = await openProviderTabs(relay.url, { backend, memoryBytes: tabMemoryBytes }, (note) =>
          io.stderr.write(`${note}\n`),
        );
        cleanups.unshift(() => tabs.close());
        await bringUp(tabs, tabCount, () => relay.coordinator.isReady(tiny.id), io);
      } else if (findBrowser(io.env) === null) {
        io.stderr.write(
          'no Chromium found, so no provider tabs: open the page yourself and press Start contributing, in two tabs\n',
        );
      }
      io.stdout.write(welcome(relay.url, tabCount, network, key));
      await untilAborted(io.signal);
      io.stderr.write('closing …\n');
      return 0;
    } finally {
      for (const cleanup of cleanups) await cleanup().catch(() => undefined);
    }
  },
};

/** null where this platform has no local chain: a network without one is better than none. */
async function openNetwork(data: DataFolder, io: CommandIo): Promise<LocalNetwork | null> {
  const onNote = (note: string) => io.stderr.write(`${note}\n`);
  if (findAnvil() === null) {
    onNote(`no local chain for this platform (${process.platform} ${process.arch}), so everything is free`);
    return null;
  }
  const open = () => openLocalNetwork(localNetworkFolders(data), { signal: io.signal, onNote });
  try {
    return await open();
  } catch (thrown) {
    if (!(thrown instanceof VesselError && thrown.code === 'version_mismatch')) throw thrown;
    onNote('the local chain has contracts of another version: it begins anew, and the old books are kept beside the new ones');
    await forgetLocalChain(data, Date.now());
    return open();
  }
}

async function bringUp(tabs: ProviderTabs, count: number, isReady: () => boolean, io: CommandIo): Promise<void> {
  const over = new AbortController();
  const ready = (async () => {
    await Promise.all(Array.from({ length: count }, () => tabs.open()));
    if (count < 2) return;
    await waitUntil(isReady, {
      signal: io.signal,
      timeoutMs: readyTimeoutMs,
      onTimeout: () => new Error('The provider tabs did not become ready.'),
    });
  })();
  ready.catch(() => undefined);
  await Promise.race([ready, tabs.failed]).finally(() => over.abort());
}

function tellTrouble(error: unknown, io: CommandIo): void {
  io.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
}

function chainLine(network: LocalNetwork | null): string {
  if (!network) return '  chain     none: everything is free\n';
  const { chain, rpcUrl } = network.relayChain;
  return `  chain     ${rpcUrl}   (id ${chain.place.chainId}, AIC ${chain.addresses.aic}; vessel chain faucet <address> fills a wallet)\n`;
}

/** One key for the first try, paid by the demo's wallet. A secret is known only when it is made, so each start makes a new one. */
async function freshKey(keys: ApiKeys): Promise<string> {
  for (const { id, name, revokedMs } of keys.list()) if (name === startKeyName && revokedMs === null) await keys.revoke(id);
  return (await keys.create({ name: startKeyName })).secret;
}

function welcome(url: string, tabs: number, network: LocalNetwork | null, key: string | null): string {
  const header = key === null ? '' : ` -H 'authorization: Bearer ${key}' \\\n   `;
  return `
Vessel is running.

  page      ${url}
  API       ${url}/v1          (any OpenAI client; ${url}/openapi.json)
${chainLine(network)}
Try it:

  curl ${url}/v1/chat/completions -H 'content-type: application/json' \\
   ${header} -d '{"model": "${defaultModel}", "messages": [{"role": "user", "content": "What is WebGPU?"}]}'

  import OpenAI from 'openai';
  const client = new OpenAI({ baseURL: '${url}/v1', apiKey: '${key ?? 'none-needed'}' });
  const answer = await client.chat.completions.create({
    model: '${defaultModel}',
    messages: [{ role: 'user', content: 'What is 12 + 7?' }],
  });
  console.log(answer.choices[0].message.content);

${tabs >= 2 ? `${tabs} headless tabs hold half of the layers each. Open the page to lend this browser too.` : 'Open the page in two tabs and press Start contributing in each.'}
WebGPU, storage and keys need a secure context: http://localhost or https. Ctrl-C ends everything.
`;
}
