import { totalmem } from 'node:os';
import { join } from 'node:path';
import { FileVoucherStore } from '../provide/file-voucher-store.ts';
import { openNodeKey } from '../provide/node-key.ts';
import { NodeProvider } from '../provide/node-provider.ts';
import { FileStore } from '../storage/file-store.ts';
import { type Command, UsageError } from './command.ts';
import { dataFolderPath, openDataFolder } from './data-folder.ts';
import { formatBytes } from './format-bytes.ts';
import { parseCount, parseOptions } from './parse-options.ts';
import { untilAborted } from './wait-until.ts';

const usage = `usage: vessel provide --relay <url> [options]

  --relay <url>       the relay to serve, e.g. http://localhost:8787
  --memory <MiB>      memory for weights and sessions together (default: a quarter of this machine's)
  --threads <n>       threads of the computation (default: 1)
  --duty <percent>    share of the time to compute, 1 to 100 (default: 100)
  --hide-address      other peers do not learn this machine's address (slower: connections go over TURN or the relay)
  --rpc <url>         a node of the chain to check payments with (default: the relay's)
  --data <folder>     data folder (default: VESSEL_HOME or ~/.vessel)

Computes on the processor (wasm). For a graphics device open the relay's page in a browser.
`;

const options = {
  relay: { type: 'string' },
  memory: { type: 'string' },
  threads: { type: 'string' },
  duty: { type: 'string' },
  'hide-address': { type: 'boolean' },
  rpc: { type: 'string' },
  data: { type: 'string' },
} as const;

export const provideCommand: Command = {
  name: 'provide',
  summary: 'give compute from this machine without a browser',
  usage,
  async run(args, io) {
    const { values } = parseOptions(args, options);
    if (!values.relay) throw new UsageError('say which relay: --relay http://localhost:8787');
    const relayUrl = parseUrl(values.relay);
    const mebibytes = parseCount(values.memory ?? String(Math.floor(totalmem() / 4 / 2 ** 20)), 'memory', 16, 2 ** 20);
    const threads = parseCount(values.threads ?? '1', 'threads', 1, 64);
    const duty = parseCount(values.duty ?? '100', 'duty', 1, 100);
    const data = await openDataFolder(dataFolderPath(io.env, values.data));
    io.stderr.write(
      `serving ${relayUrl} with up to ${formatBytes(mebibytes * 2 ** 20)} and ${threads} thread(s); Ctrl-C ends it\n`,
    );
    let shown = '';
    const provider = await NodeProvider.start({
      relayUrl,
      key: await openNodeKey(join(data.path, 'device-key')),
      blobFolder: join(data.path, 'blobs'),
      vouchers: new FileVoucherStore(new FileStore(join(data.path, 'vouchers.json'))),
      ...(values.rpc ? { rpcUrl: values.rpc } : {}),
      memoryBytes: mebibytes * 2 ** 20,
      threads,
      hideAddress: values['hide-address'] ?? false,
      dutyCycle: duty / 100,
      onState: (state, error) => io.stderr.write(`relay: ${state}${error ? ` (${error.message})` : ''}\n`),
      onShards: (text) => {
        if (text !== shown) io.stderr.write(`${text}\n`);
        shown = text;
      },
    });
    io.stdout.write(`provider ${provider.peer}\n`);
    try {
      await untilAborted(io.signal);
    } finally {
      await provider.stop();
    }
    return 0;
  },
};

function parseUrl(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (!url || !/^https?:$/.test(url.protocol)) throw new UsageError(`--relay must be an http or https address, not "${text}"`);
  return url.origin;
}
