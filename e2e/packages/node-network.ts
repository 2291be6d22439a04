/** A whole network in this process for programs outside of it to ask: a relay and wasm providers that share vessel-tiny. */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import nodeDataChannel from 'node-datachannel';
import { importModel } from '../../relay/models/import-model.ts';
import { ModelStore } from '../../relay/models/model-store.ts';
import { NodeProvider } from '../../relay/provide/node-provider.ts';
import { startRelay } from '../../relay/start-relay.ts';
import { deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';

const modelFolder = join(import.meta.dirname, '../../public/models/vessel-tiny');

export interface NodeNetwork {
  url: string;
  close(): Promise<void>;
}

/** Two providers with four layers each, ready to answer. */
export async function startNodeNetwork(): Promise<NodeNetwork> {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-network-'));
  await mkdir(join(folder, 'relay'));
  const store = await new ModelStore(join(folder, 'models')).open();
  const model = await importModel(
    { source: modelFolder, name: 'vessel-tiny', dtype: 'f32', settings: {} },
    { store, hub: () => Promise.reject(new Error('no hub here')), downloads: join(folder, 'downloads') },
  );
  const relay = await startRelay({
    folder: join(folder, 'relay'),
    store,
    host: '127.0.0.1',
    port: 0,
    policy: { maxLayersPerProvider: 4 },
  });
  const providers = await Promise.all(
    ['a', 'b'].map(async (name) =>
      NodeProvider.start({
        relayUrl: relay.url,
        key: await deviceKey(await generateKeyPair()),
        blobFolder: join(folder, name),
        memoryBytes: 1e9,
      }),
    ),
  );
  while (!relay.coordinator.isReady(model.id)) await setTimeout(100);
  return {
    url: relay.url,
    async close() {
      for (const provider of providers) await provider.stop();
      await relay.close();
      // A WebRTC connection that was given up while it was being made (two providers that dialled each other at once) keeps the
      // process alive although it is closed.
      nodeDataChannel.cleanup();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface Question {
  prompt: string;
  maxTokens: number;
  /** What greedy decoding answers, from the model's own reference. */
  answer: string;
}

/** The first prompt of the model's reference, in the model's own chat form. */
export async function referenceQuestion(): Promise<Question> {
  const { samples } = JSON.parse(await readFile(join(modelFolder, 'reference.json'), 'utf8')) as {
    samples: { prompt: string; greedy_ids: number[]; greedy_text: string }[];
  };
  const { prompt, greedy_ids, greedy_text } = samples[0]!;
  return { prompt, maxTokens: greedy_ids.length, answer: greedy_text };
}
