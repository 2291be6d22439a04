/** `vessel demo`: a whole network for one question, then gone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LanguageManifest } from '../../shared/models/manifest.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Coordinator } from '../coordinator.ts';
import { HubClient } from '../models/hub-client.ts';
import { readHubToken } from '../models/hub-token.ts';
import { importModel } from '../models/import-model.ts';
import { ModelStore, type StoredModel } from '../models/model-store.ts';
import { startRelay } from '../start-relay.ts';
import { type Command, type CommandIo, UsageError } from './command.ts';
import { dataFolderPath, openDataFolder } from './data-folder.ts';
import { addDefaultModel, defaultModel } from './default-models.ts';
import { askDemo, type DemoQuestion } from './demo-question.ts';
import { ensurePage } from './ensure-page.ts';
import { parseCount, parseDtype, parseOptions } from './parse-options.ts';
import { Progress } from './progress.ts';
import { openProviderTabs, type ProviderTabs } from './provider-tabs.ts';
import { type Fault, faultKinds, makeTrouble, peerEndOf } from './tab-faults.ts';
import { waitUntil } from './wait-until.ts';

const usage = `usage: vessel demo [--model <folder | id | hf:org/name>] [--prompt <text>] [options]

Starts a relay and provider tabs in headless Chromium, asks through the HTTP API, prints the answer, and ends.

  --model <...>        a Hugging Face folder, a model of the data folder, or hf:org/name (default: vessel-tiny)
  --dtype <...>        f32, f16, q8 or q4: how a folder's weights are kept (default: f32)
  --prompt <text>      what to ask (default: "What is WebGPU?")
  --raw                no chat template: the prompt goes through the tokenizer as it is
  --tabs <n>           provider tabs, each with its own layers (default: 2)
  --split <a,b,...>    layers of each tab, first to last (default: as even as they come)
  --backend <...>      webgpu or wasm (default: webgpu)
  --max-tokens <n>     tokens to generate at most (default: 64)
  --temperature <x>    0 is greedy (default: 0)
  --seed <n>           seed of the draw
  --ignore-eos         do not stop at a stop token
  --kill-at <t[:hop]>  when the answer has t tokens, end the tab of that hop (from 1; default: the last) without a word
  --freeze-at <...>    the same, but the tab stands still
  --partition-at <...> the same, but nothing it sends to other tabs arrives. Each may be given several times
  --spares <n>         more tabs that hold layers too (default: one per hop when a tab is to fail, else none)
  --json               one JSON object on standard output instead of text
  --timeout <s>        give up after this long (default: 900)
  --data <folder>      data folder of models named by id (default: VESSEL_HOME or ~/.vessel)
`;

const options = {
  model: { type: 'string' },
  dtype: { type: 'string' },
  prompt: { type: 'string' },
  raw: { type: 'boolean' },
  tabs: { type: 'string' },
  split: { type: 'string' },
  backend: { type: 'string' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  seed: { type: 'string' },
  'ignore-eos': { type: 'boolean' },
  'kill-at': { type: 'string', multiple: true },
  'freeze-at': { type: 'string', multiple: true },
  'partition-at': { type: 'string', multiple: true },
  spares: { type: 'string' },
  json: { type: 'boolean' },
  timeout: { type: 'string' },
  data: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseOptions<typeof options>>['values'];

/** Tabs on one machine share its memory; what they really take is what the shard needs. */
const tabMemoryBytes = 16 * 2 ** 30;

const linkWaitMs = 30_000;

export const demoCommand: Command = {
  name: 'demo',
  summary: 'ask one prompt of a model split over tabs, print one JSON object, exit',
  usage,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, options);
    if (positionals.length > 0) throw new UsageError(`"${positionals[0]}" is no option; quote the prompt: --prompt "..."`);
    const backend = parseBackend(values.backend ?? 'webgpu');
    const question = parseQuestion(values);
    const timeoutMs = parseCount(values.timeout ?? '900', 'timeout', 1, 86_400) * 1000;
    const over = new AbortController();
    const signal = AbortSignal.any([io.signal, over.signal, AbortSignal.timeout(timeoutMs)]);
    const folder = await mkdtemp(join(tmpdir(), 'vessel-demo-'));
    const cleanups: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 3 })];
    try {
      const page = await ensurePage(io);
      const { store, model, manifest } = await findModel(values, folder, io);
      const split = parseSplit(values, manifest.architecture.layers);
      const faults = parseFaults(values, split.length);
      const spares =
        values.spares === undefined ? (faults.length > 0 ? split.length : 0) : parseCount(values.spares, 'spares', 0, 64);
      const relay = await startRelay({
        folder,
        store,
        host: '127.0.0.1',
        port: 0,
        only: new Set([model.id]),
        pageFolder: page,
        policy: { split: new Map([[model.id, split]]) },
        http: { requestsPerMinute: 1e6 },
        queueMs: 60_000,
      });
      cleanups.unshift(() => relay.close());
      io.stderr.write(
        `relay at ${relay.url}; opening ${split.length + spares} tab(s), layers ${split.join(' + ')}, ${backend}\n`,
      );
      const tabs = await openProviderTabs(relay.url, { backend, memoryBytes: tabMemoryBytes }, (note) =>
        io.stderr.write(`${note}\n`),
      );
      cleanups.unshift(() => tabs.close());
      const ready = (async () => {
        await Promise.all(Array.from({ length: split.length + spares }, () => tabs.open()));
        const shown = new Map<string, string>();
        await waitUntil(
          () => {
            for (const { peer, shards } of relay.coordinator.view().providers) {
              const text = shards.map(({ from, to, phase }) => `layers ${from}-${to - 1} ${phase}`).join(', ');
              if (text !== '' && shown.get(peer) !== text) io.stderr.write(`tab ${peer.slice(-6)}: ${text}\n`);
              shown.set(peer, text);
            }
            // Spares take over at once only when they hold their layers.
            const holding = relay.coordinator
              .view()
              .providers.filter(({ shards }) => shards.some(({ phase }) => phase === 'ready'));
            return relay.coordinator.isReady(model.id) && holding.length === split.length + spares;
          },
          { signal, timeoutMs, onTimeout: () => new VesselError('deadline', 'The tabs did not become ready in time.') },
        );
        // Tabs dial their neighbours as soon as they are ready; what is not linked by then is dialled by the first question.
        await waitUntil(() => relay.coordinator.isLinked(model.id), {
          signal,
          timeoutMs: linkWaitMs,
          onTimeout: () => new Error(),
        }).catch(() => signal.throwIfAborted());
      })();
      ready.catch(() => undefined);
      await Promise.race([ready, tabs.failed]);
      const onTokens = faults.length > 0 ? troubleMaker(faults, relay.coordinator, tabs, io) : undefined;
      const report = await Promise.race([askDemo(relay.url, manifest.name, question, io, signal, onTokens), tabs.failed]);
      io.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${report.text}\n`);
      return 0;
    } finally {
      over.abort();
      for (const cleanup of cleanups) await cleanup().catch(() => undefined);
    }
  },
};

/** Says what to do with each number of tokens. */
function troubleMaker(faults: readonly Fault[], coordinator: Coordinator, tabs: ProviderTabs, io: CommandIo) {
  const waiting = new Set(faults);
  return (tokens: number): void => {
    for (const fault of [...waiting]) {
      if (tokens < fault.token) continue;
      waiting.delete(fault);
      void trouble(fault, coordinator, tabs, io).catch((thrown) => io.stderr.write(`no ${fault.kind}: ${String(thrown)}\n`));
    }
  };
}

async function trouble({ kind, token, hop }: Fault, coordinator: Coordinator, tabs: ProviderTabs, io: CommandIo): Promise<void> {
  const peer = coordinator.routes()[0]?.[hop - 1];
  const ends = await Promise.all(tabs.all.map((tab) => peerEndOf(tab).catch(() => null)));
  const tab = tabs.all.find((_, index) => ends[index] !== null && peer?.endsWith(ends[index]!));
  if (!peer || !tab) throw new Error(`nobody is at hop ${hop} any more`);
  tabs.giveUp(tab);
  io.stderr.write(`${kind}: hop ${hop}, tab ${peer.slice(-6)}, at token ${token}\n`);
  await makeTrouble(kind, tab);
}

/** A folder is converted into a store that goes with the demo; a name is looked up in the data folder. */
async function findModel(
  values: Values,
  folder: string,
  io: CommandIo,
): Promise<{ store: ModelStore; model: StoredModel; manifest: LanguageManifest }> {
  const source = values.model ?? defaultModel;
  const data = await openDataFolder(
    dataFolderPath({ ...io.env, ...(isPath(source) ? { VESSEL_HOME: join(folder, 'data') } : {}) }, values.data),
  );
  const store = await new ModelStore(data.models).open();
  const model =
    isPath(source) || source.startsWith('hf:')
      ? await importNamed(source, values, store, data.downloads, io)
      : source === defaultModel && values.dtype === undefined
        ? await addDefaultModel(store, data, io)
        : await store.require(source);
  if (model.manifest.kind !== 'language') {
    throw new VesselError(
      'unsupported',
      `${model.manifest.name} is a ${model.manifest.service} graph; the demo asks language models.`,
    );
  }
  return { store, model, manifest: model.manifest };
}

function isPath(source: string): boolean {
  return source.startsWith('.') || source.includes('/') ? !source.startsWith('hf:') : false;
}

async function importNamed(
  source: string,
  values: Values,
  store: ModelStore,
  downloads: string,
  io: CommandIo,
): Promise<StoredModel> {
  const progress = new Progress(io.stderr);
  try {
    return await importModel(
      { source, dtype: parseDtype(values.dtype ?? 'f32'), settings: {} },
      {
        store,
        downloads,
        hub: async () => new HubClient({ endpoint: io.env.HF_ENDPOINT || undefined, token: await readHubToken(io.env) }),
      },
      {
        signal: io.signal,
        onStage: (stage) => progress.start(`${stage} ${source}`),
        onProgress: (done, total) => progress.update(done, total),
      },
    );
  } finally {
    progress.finish();
  }
}

function parseBackend(text: string): 'webgpu' | 'wasm' {
  if (text !== 'webgpu' && text !== 'wasm') throw new UsageError(`--backend must be webgpu or wasm, not "${text}"`);
  return text;
}

/** Layers per tab. Without --split the first tabs take one more where the layers do not divide. */
function parseSplit(values: Values, layers: number): number[] {
  if (values.split !== undefined) {
    const split = values.split.split(',').map((part) => parseCount(part.trim(), 'split', 1, layers));
    const sum = split.reduce((total, part) => total + part, 0);
    if (sum !== layers) throw new UsageError(`--split adds up to ${sum} layers; this model has ${layers}`);
    if (values.tabs !== undefined && Number(values.tabs) !== split.length) {
      throw new UsageError(`--split names ${split.length} tabs and --tabs ${values.tabs}`);
    }
    return split;
  }
  const tabs = parseCount(values.tabs ?? String(Math.min(2, layers)), 'tabs', 1, 128);
  if (tabs > layers) throw new UsageError(`--tabs ${tabs} is more than this model's ${layers} layers`);
  return Array.from({ length: tabs }, (_, i) => Math.floor(layers / tabs) + (i < layers % tabs ? 1 : 0));
}

function parseFaults(values: Values, hops: number): Fault[] {
  return faultKinds.flatMap((kind) =>
    (values[`${kind}-at`] ?? []).map((text) => {
      const [token = '', hop = String(hops), ...rest] = text.split(':');
      if (rest.length > 0) throw new UsageError(`--${kind}-at is <token> or <token>:<hop>, not "${text}"`);
      return { kind, token: parseCount(token, `${kind}-at`, 1, 1_000_000), hop: parseCount(hop, `${kind}-at`, 1, hops) };
    }),
  );
}

function parseQuestion(values: Values): DemoQuestion {
  const temperature = Number(values.temperature ?? '0');
  if (!(temperature >= 0 && temperature <= 2))
    throw new UsageError(`--temperature must be from 0 to 2, not "${values.temperature}"`);
  return {
    prompt: values.prompt ?? 'What is WebGPU?',
    isRaw: values.raw ?? false,
    maxTokens: parseCount(values['max-tokens'] ?? '64', 'max-tokens', 1, 1_000_000),
    temperature,
    seed: values.seed === undefined ? null : parseCount(values.seed, 'seed', 0, Number.MAX_SAFE_INTEGER),
    ignoreEos: values['ignore-eos'] ?? false,
  };
}
