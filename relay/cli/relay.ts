import type { Address } from '../../shared/receipts/hex.ts';
import { ModelStore } from '../models/model-store.ts';
import { startRelay } from '../start-relay.ts';
import { type Command, UsageError } from './command.ts';
import { dataFolderPath, openDataFolder } from './data-folder.ts';
import { addDefaultModel, addDefaultServices } from './default-models.ts';
import { parseCount, parseOptions } from './parse-options.ts';
import { pageFolder } from './program-files.ts';
import { openRemoteChain, type RemoteChainOptions } from './remote-chain.ts';
import { choosePort } from './serve-options.ts';
import { untilAborted } from './wait-until.ts';

const usage = `usage: vessel relay [--port <n>] [--host <address>] [options]

  --port <n>              port of everything: page, API, presence, peer-to-peer (default: 8787, or the next free one)
  --host <address>        address to listen on (default: 127.0.0.1; 0.0.0.0 for the network, behind TLS)
  --require-key           refuse API calls without a key (vessel key create)
  --max-layers <n>        layers of one model that one provider gets at most
  --stun <url>            STUN or TURN server for tabs, may be repeated (default: none)
  --no-default-model      do not add the models that come with Vessel (vessel-tiny, mnist, silero-vad)
  --trust-proxy           take callers' addresses from X-Forwarded-For (behind your own proxy only)
  --chain <rpc url>       work is paid on this chain (default: everything is free)
  --addresses <file>      where its contracts are (default: what vessel chain deploy wrote into the data folder)
  --confirmations <n>     blocks after which a transaction counts (default: 3)
  --operator <address>    whose payroll the relay's key publishes (default: the key's own)
  --data <folder>         data folder (default: VESSEL_HOME or ~/.vessel)

The relay offers every model of the data folder; models added while it runs appear by themselves.
`;

const options = {
  port: { type: 'string' },
  host: { type: 'string' },
  'require-key': { type: 'boolean' },
  'max-layers': { type: 'string' },
  stun: { type: 'string', multiple: true },
  'no-default-model': { type: 'boolean' },
  'trust-proxy': { type: 'boolean' },
  chain: { type: 'string' },
  addresses: { type: 'string' },
  confirmations: { type: 'string' },
  operator: { type: 'string' },
  data: { type: 'string' },
} as const;

export const relayCommand: Command = {
  name: 'relay',
  summary: 'run a relay',
  usage,
  async run(args, io) {
    const { values } = parseOptions(args, options);
    const host = values.host ?? '127.0.0.1';
    const asked = values.port === undefined ? null : parseCount(values.port, 'port', 0, 65_535);
    const maxLayers = values['max-layers'] === undefined ? null : parseCount(values['max-layers'], 'max-layers', 1, 1024);
    const data = await openDataFolder(dataFolderPath(io.env, values.data));
    const lock = await data.lock();
    try {
      const store = await new ModelStore(data.models).open();
      if (!values['no-default-model']) {
        await addDefaultModel(store, data, io);
        await addDefaultServices(store, data);
      }
      const page = pageFolder();
      const chain = values.chain === undefined ? null : await openRemoteChain(data, chainOptions(values.chain, values), io);
      const relay = await startRelay({
        folder: data.relay,
        store,
        host,
        port: await choosePort(asked, host),
        ...(page ? { pageFolder: page } : {}),
        ...(maxLayers ? { policy: { maxLayersPerProvider: maxLayers } } : {}),
        iceServers: values.stun ? [{ urls: values.stun }] : [],
        http: { requireKey: values['require-key'] ?? false, trustProxy: values['trust-proxy'] ?? false },
        ...(chain ? { chain } : {}),
        log: (line) => io.stderr.write(`${JSON.stringify(line)}\n`),
      });
      io.stdout.write(`relay ready at ${relay.url}${chain ? `, paid on chain ${chain.chain.place.chainId}` : ''}\n`);
      io.stderr.write(`data folder: ${data.path}\n`);
      try {
        await untilAborted(io.signal);
      } finally {
        await relay.close();
      }
      return 0;
    } finally {
      await lock.release();
    }
  },
};

type ChainValues = Partial<Record<'addresses' | 'confirmations' | 'operator', string | undefined>>;

function chainOptions(rpcUrl: string, { addresses, confirmations, operator }: ChainValues): RemoteChainOptions {
  if (operator !== undefined && !/^0x[0-9a-fA-F]{40}$/.test(operator))
    throw new UsageError('--operator must be an address of 20 bytes in hex');
  return {
    rpcUrl,
    confirmations: parseCount(confirmations ?? '3', 'confirmations', 1, 1_000),
    ...(addresses === undefined ? {} : { addresses }),
    ...(operator === undefined ? {} : { operator: operator.toLowerCase() as Address }),
  };
}
