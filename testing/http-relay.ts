/** The HTTP API with everything around it in a test's hands: the network, time, keys, and what it logs. */
import { Registry } from 'prom-client';
import { createApp } from '../relay/http/create-app.ts';
import type { AccessLogLine, HttpDeps, HttpSettings, ModelInfo } from '../relay/http/http-deps.ts';
import { createHttpMetrics } from '../relay/http/http-metrics.ts';
import { ApiKeys } from '../relay/http/keys/api-keys.ts';
import { TextCodec } from '../sdk/text/text-codec.ts';
import { byteCodec, byteCodecFiles, byteIds } from './byte-codec.ts';
import { stopIds, tokenizerSize } from './byte-tokenizer.ts';
import { FakeAsker, type FakeAskerOptions } from './fake-asker.ts';
import { FakeServices } from './fake-services.ts';
import { ManualTime } from './manual-time.ts';
import { MemoryStore } from './memory-store.ts';

export const testModel: ModelInfo = {
  id: 'bafkreitestmodelaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  name: 'bytes',
  created: 1_760_000_000,
  context: 512,
  vocab: tokenizerSize,
  stopIds,
  ownedBy: 'vessel',
  ready: true,
};
export const templatelessModel: ModelInfo = { ...testModel, id: `${testModel.id}b`, name: 'org/plain', ready: false };

export interface HttpRelayOptions {
  /** What the model says, to every prompt. */
  answer?: string | FakeAskerOptions['answer'];
  before?: FakeAskerOptions['before'];
  settings?: Partial<HttpSettings>;
  deps?: Partial<HttpDeps>;
}

export async function httpRelay({ answer = 'Hello there', before, settings, deps }: HttpRelayOptions = {}) {
  const time = new ManualTime();
  const ids = typeof answer === 'string' ? () => [...byteIds(answer), stopIds[0]!] : answer;
  const asker = new FakeAsker({ answer: ids, ...(before && { before }) });
  const lines: AccessLogLine[] = [];
  const registry = new Registry();
  let nextByte = 0;
  let nextId = 0;
  const randomBytes = (count: number) => Uint8Array.from({ length: count }, () => nextByte++ % 256);
  const keys = await ApiKeys.open({ store: new MemoryStore(), clock: time.clock, randomBytes });
  const models = [testModel, templatelessModel];
  const app = createApp({
    askIds: asker.askIds,
    models: {
      list: () => models,
      find: (nameOrId) => models.find(({ id, name }) => id === nameOrId || name === nameOrId),
      codec: async (id) => (id === testModel.id ? byteCodec() : new TextCodec(byteCodecFiles({ withTemplate: false }))),
    },
    services: new FakeServices(),
    keys,
    clock: time.clock,
    after: time.after,
    randomId: () => String(nextId++),
    randomSeed: () => 42,
    randomBytes,
    money: null,
    metrics: createHttpMetrics(registry),
    log: (line) => lines.push(line),
    status: () => ({ version: '0.1.0', startedMs: time.nowMs - 5000, providers: 3 }),
    settings: {
      requireKey: false,
      maxBodyBytes: 100_000,
      maxConcurrent: 16,
      maxQueued: 4,
      requestsPerMinute: 1000,
      maxConcurrentPerKey: 16,
      keepAliveMs: 15_000,
      corsOrigins: '*',
      trustProxy: false,
      ...settings,
    },
    ...deps,
  });
  const post = (path: string, body: unknown, init: RequestInit = {}) =>
    Promise.resolve(
      app.request(path, {
        method: 'POST',
        ...init,
        headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string> | undefined) },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    );
  return { app, asker, keys, lines, post, registry, time };
}
