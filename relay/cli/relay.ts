import { formatEther } from 'viem';
import type { RelayChain } from '../chain/relay-chain.ts';
import { ModelStore } from '../models/model-store.ts';
import { startRelay } from '../start-relay.ts';
import type { Command, CommandIo } from './command.ts';
import { dataFolderPath, openDataFolder } from './data-folder.ts';
import { addDefaultModel, addDefaultServices } from './default-models.ts';
import { parseCount, parseOptions } from './parse-options.ts';
import { paymentEnvironment, paymentOptions, paymentUsage, readPaymentOptions } from './payment-options.ts';
import { pageFolder } from './program-files.ts';
import { coturnOf, reachOptions, reachUsage, readReach } from './reach-options.ts';
import { openRemoteChain } from './remote-chain.ts';
import { choosePort } from './serve-options.ts';
import { untilAborted } from './wait-until.ts';

const usage = `usage: vessel relay [--port <n>] [--host <address>] [options]

  --port <n>              port of everything: page, API, presence, peer-to-peer (default: 8787, or the next free one)
  --host <address>        address to listen on (default: 127.0.0.1; 0.0.0.0 for the network, behind TLS)
  --require-key           refuse API calls without a key (vessel key create)
  --max-layers <n>        layers of one model that one provider gets at most
${reachUsage}
  --no-default-model      do not add the models that come with Vessel (vessel-tiny, mnist, silero-vad)
  --trust-proxy           take callers' addresses from X-Forwarded-For (behind your own proxy only)
${paymentUsage}
  --data <folder>         data folder (default: VESSEL_HOME or ~/.vessel)

The relay offers every model of the data folder; models added while it runs appear by themselves.

${paymentEnvironment}
`;

const options = {
  port: { type: 'string' },
  host: { type: 'string' },
  'require-key': { type: 'boolean' },
  'max-layers': { type: 'string' },
  ...reachOptions,
  'no-default-model': { type: 'boolean' },
  'trust-proxy': { type: 'boolean' },
  ...paymentOptions,
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
    const paid = readPaymentOptions(values);
    if (values['print-coturn']) {
      io.stdout.write(await coturnOf(values));
      return 0;
    }
    const reach = await readReach(values);
    const data = await openDataFolder(dataFolderPath(io.env, values.data));
    const lock = await data.lock();
    try {
      const store = await new ModelStore(data.models).open();
      if (!values['no-default-model']) {
        await addDefaultModel(store, data, io);
        await addDefaultServices(store, data);
      }
      const page = pageFolder();
      const chain = paid && (await openRemoteChain(data, paid.chain, io));
      if (chain) await tellHotKey(chain, io);
      const relay = await startRelay({
        folder: data.relay,
        store,
        host,
        port: await choosePort(asked, host),
        ...(page ? { pageFolder: page } : {}),
        ...(maxLayers ? { policy: { maxLayersPerProvider: maxLayers } } : {}),
        ...reach,
        http: { requireKey: values['require-key'] ?? false, trustProxy: values['trust-proxy'] ?? false },
        ...(paid && chain
          ? {
              chain,
              payments: paid.settings,
              domains: paid.domains,
              ...(io.env.DATABASE_URL ? { databaseUrl: io.env.DATABASE_URL } : {}),
              onTrouble: (error) => io.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`),
            }
          : {}),
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

async function tellHotKey({ chain, key, operator }: RelayChain, io: CommandIo): Promise<void> {
  const [coins, aic] = [await chain.coinsOf(key.address), await chain.aicOf(key.address)];
  const whose = operator === key.address.toLowerCase() ? 'its own operator' : `publisher of ${operator}`;
  io.stderr.write(`hot key ${key.address}, ${whose}: ${formatEther(coins)} coins, ${formatEther(aic)} AIC\n`);
  if (coins === 0n) io.stderr.write('it has no coins: send it some, or nothing gets to the chain\n');
}
