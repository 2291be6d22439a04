import { ModelStore } from '../models/model-store.ts';
import { startRelay } from '../start-relay.ts';
import type { Command } from './command.ts';
import { dataFolderPath, openDataFolder } from './data-folder.ts';
import { addDefaultModel, addDefaultServices } from './default-models.ts';
import { parseCount, parseOptions } from './parse-options.ts';
import { pageFolder } from './program-files.ts';
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
      const relay = await startRelay({
        folder: data.relay,
        store,
        host,
        port: await choosePort(asked, host),
        ...(page ? { pageFolder: page } : {}),
        ...(maxLayers ? { policy: { maxLayersPerProvider: maxLayers } } : {}),
        iceServers: values.stun ? [{ urls: values.stun }] : [],
        http: { requireKey: values['require-key'] ?? false, trustProxy: values['trust-proxy'] ?? false },
        log: (line) => io.stderr.write(`${JSON.stringify(line)}\n`),
      });
      io.stdout.write(`relay ready at ${relay.url}\n`);
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
