/**
 * Puts a relay together and opens its port. One port serves everything: the page, the HTTP API, blobs, presence (`/presence`) and
 * libp2p's WebSocket (`/`), which is forwarded to the node's own loopback listener.
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type HttpBindings, serve } from '@hono/node-server';
import { privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import { Hono } from 'hono';
import { Gauge, Registry as MetricsRegistry } from 'prom-client';
import type { PrivateKeyAccount } from 'viem/accounts';
import { systemClock } from '../provider/system-clock.ts';
import { createAskIds } from '../sdk/ask-ids.ts';
import { newPeerKey } from '../sdk/net/peer-node.ts';
import { OrderPool } from '../sdk/order-pool.ts';
import { ServiceSession } from '../sdk/service-session.ts';
import { TextCodec } from '../sdk/text/text-codec.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { IceServer } from '../shared/protocol/presence-messages.ts';
import { requireServiceType, serviceTypes } from '../shared/services/registry.ts';
import { type MeteredService, meteredService } from '../shared/services/service-type.ts';
import type { RelayChain } from './chain/relay-chain.ts';
import { Coordinator } from './coordinator.ts';
import { createApp, ownsPath } from './http/create-app.ts';
import type { AccessLogLine, HttpSettings, ModelInfo, ServiceInfo } from './http/http-deps.ts';
import { createHttpMetrics } from './http/http-metrics.ts';
import { ApiKeys } from './http/keys/api-keys.ts';
import type { AllocationPolicy } from './matching/allocate.ts';
import type { ModelStore } from './models/model-store.ts';
import { ServedModels } from './models/served-models.ts';
import { openPaidNetwork, type PaidNetwork } from './money/open-paid-network.ts';
import { RelayNode } from './net/relay-node.ts';
import { blobRoutes } from './pages/blob-routes.ts';
import { pageRoutes } from './pages/page-routes.ts';
import type { BooksReport } from './payments/check-books.ts';
import type { PaymentSettings } from './payments/payment-settings.ts';
import type { RelayPayments } from './payments/relay-payments.ts';
import { PresenceServer } from './presence/presence-server.ts';
import type { CircuitLimits } from './reach/circuit-limits.ts';
import { type TurnService, turnServer } from './reach/turn-credentials.ts';
import { relayAskPorts } from './relay-asker.ts';
import { FileStore } from './storage/file-store.ts';
import { version } from './version.ts';

export interface RelayOptions {
  /** Where the relay keeps its keys; the folder must exist. */
  folder: string;
  store: ModelStore;
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Offer these models only (ids). */
  only?: ReadonlySet<string>;
  policy?: AllocationPolicy;
  /** The built page; without it only the API is served. */
  pageFolder?: string;
  http?: Partial<HttpSettings>;
  /** STUN servers, and TURN servers with passwords that last. */
  iceServers?: IceServer[];
  /** TURN servers that take short-lived passwords, made here. */
  turn?: TurnService;
  /** What differs from `circuitLimits`, for pairs that connect only through this relay. */
  circuits?: Partial<CircuitLimits>;
  /** How long an ask waits for providers before it is refused. */
  queueMs?: number;
  log?: (line: AccessLogLine) => void;
  /** Where work is paid; without it everything is free. */
  chain?: RelayChain;
  /** Where the books are; left out: in the folder. */
  databaseUrl?: string;
  /** What differs from `defaultPaymentSettings`. */
  payments?: Partial<PaymentSettings>;
  /** Pays for keys of the command line: for the local demo. */
  housePayer?: PrivateKeyAccount;
  /** Names under which the page is reached from outside, as `vessel.example`: wallets sign in to these and to localhost. */
  domains?: readonly string[];
  /** Told of trouble with the chain that goes on by itself. */
  onTrouble?: (error: unknown) => void;
}

export interface RunningRelay {
  readonly url: string;
  readonly port: number;
  readonly coordinator: Coordinator;
  readonly keys: ApiKeys;
  readonly presence: PresenceServer;
  /** null: everything is free. */
  readonly payments: RelayPayments | null;
  /** Recomputes the books and compares them with receipts and chain; null without a chain. */
  readonly checkBooks: (() => Promise<BooksReport>) | null;
  close(): Promise<void>;
}

const tickMs = 500;
const viewMs = 500;
/** How often the store is looked at for models another process added. */
const refreshMs = 2000;

const defaultHttp: HttpSettings = {
  requireKey: false,
  maxBodyBytes: 4 * 1024 * 1024,
  maxConcurrent: 64,
  maxQueued: 128,
  requestsPerMinute: 600,
  maxConcurrentPerKey: 32,
  keepAliveMs: 10_000,
  corsOrigins: '*',
  trustProxy: false,
};

export async function startRelay(options: RelayOptions): Promise<RunningRelay> {
  const clock = systemClock;
  const { store } = options;
  let paid: PaidNetwork | null = null;
  const models = new ServedModels(store, options.only ?? null);
  await models.refresh();
  const node = await RelayNode.create({
    privateKey: await relayKey(options.folder),
    ...(options.circuits ? { circuits: options.circuits } : {}),
    mayCarry: (peer) => presence.has(peer),
  });
  const coordinator = new Coordinator({
    models,
    clock,
    policy: () => options.policy ?? {},
    queueMs: options.queueMs ?? 15_000,
    maxQueued: 256,
    terms: () => paid?.payments.terms ?? null,
    sharesOf: async (model) => (await paid?.payments.shares(model)) ?? [],
  });
  const ports = relayAskPorts(coordinator, node, clock);
  const pool = new OrderPool(ports);
  const keys = await ApiKeys.open({
    store: new FileStore(join(options.folder, 'keys.json')),
    clock: Date.now,
    randomBytes: (count) => randomBytes(count),
  });
  let port = options.port;
  paid = options.chain
    ? await openPaidNetwork({
        relayChain: options.chain,
        folder: options.folder,
        databaseUrl: options.databaseUrl,
        layersOf: (model) => layersOf(models, model),
        domains: () => [...(options.domains ?? []), `localhost:${port}`, `127.0.0.1:${port}`],
        ...(options.payments ? { settings: options.payments } : {}),
        ...(options.housePayer ? { housePayer: options.housePayer } : {}),
        ...(options.onTrouble ? { onTrouble: options.onTrouble } : {}),
      })
    : null;
  const startedMs = Date.now();
  const app = new Hono();
  const api = createApp({
    askIds: createAskIds(ports, pool),
    models: {
      list: () => models.list().flatMap((model) => modelInfo(model.id)),
      find: (nameOrId) => {
        const model = models.find(nameOrId);
        return model && modelInfo(model.id)[0];
      },
      codec: codecs(store, models),
    },
    services: {
      list: () => models.list().flatMap((model) => serviceInfo(model.id)),
      open: (id, signal, payer) => ServiceSession.open(ports, pool, { model: id, signal, payer, metered }),
    },
    keys,
    clock: Date.now,
    after: clock.after,
    randomId: () => randomUUID(),
    randomSeed: () => randomInt(2 ** 48 - 1),
    randomBytes: (count) => randomBytes(count),
    money: paid?.money ?? null,
    metrics: createHttpMetrics(relayMetrics(coordinator, node)),
    log: options.log ?? (() => undefined),
    status: () => ({ version, startedMs, providers: coordinator.providers }),
    settings: { ...defaultHttp, ...options.http },
  });
  app.all('*', (c, next) => (ownsPath(c.req.path) ? api.fetch(c.req.raw, c.env as HttpBindings) : next()));
  app.route('/', blobRoutes(store));
  if (options.pageFolder && existsSync(options.pageFolder)) app.route('/', pageRoutes(options.pageFolder));

  function modelInfo(id: string): ModelInfo[] {
    const model = models.get(id);
    if (model?.manifest.kind !== 'language') return [];
    const { architecture, name, stopIds } = model.manifest;
    return [
      {
        id,
        name,
        created: Math.floor(startedMs / 1000),
        context: Math.min(architecture.context, limits.maxContext),
        vocab: architecture.vocab,
        stopIds,
        ownedBy: 'vessel',
        ready: coordinator.isReady(id),
      },
    ];
  }

  function metered(id: string): MeteredService {
    const manifest = models.get(id)?.manifest;
    if (manifest?.kind !== 'graph') throw new VesselError('bad_request', 'This is a language model, not a service.');
    return meteredService(requireServiceType(manifest.service), manifest.settings);
  }

  function serviceInfo(id: string): ServiceInfo[] {
    const manifest = models.get(id)?.manifest;
    if (manifest?.kind !== 'graph') return [];
    // A store may hold graphs of types that this version does not know.
    const type = serviceTypes.find(({ name }) => name === manifest.service);
    if (!type) return [];
    const { name, settings } = manifest;
    const created = Math.floor(startedMs / 1000);
    return [{ id, name, created, ownedBy: 'vessel', type, settings, ready: coordinator.isReady(id) }];
  }

  const server = await listen(app, options.host, options.port);
  ({ port } = server.address() as { port: number });
  const presence = new PresenceServer({
    coordinator,
    relayPeer: node.self,
    // Clients put in the host they reached us at: what this process is called from outside, it cannot know.
    relayAddresses: () => [`/p2p/${node.self}`],
    iceServers: (peer) => [...(options.iceServers ?? []), ...(options.turn ? [turnServer(options.turn, peer, Date.now())] : [])],
    now: clock.now,
    onEarned: (earned) => void paid?.payments.earned(earned).catch((error) => options.onTrouble?.(error)),
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = new URL(request.url ?? '/', 'http://relay').pathname;
    if (path === '/presence') presence.upgrade(request, socket, head);
    else if (path === '/') forward(request, socket, head, node.port);
    else socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
  });
  const timers = [
    setInterval(() => coordinator.tick(), tickMs),
    setInterval(() => presence.broadcastView(), viewMs),
    setInterval(() => {
      void models.refresh().then((isChanged) => isChanged && coordinator.modelsChanged());
      void keys.reload().catch(() => undefined);
    }, refreshMs),
    // At half their time: a tab that misses one gets the next.
    ...(options.turn ? [setInterval(() => presence.renewIceServers(), options.turn.lifetimeMs / 2)] : []),
  ];
  const shownHost = options.host === '0.0.0.0' || options.host === '::' ? 'localhost' : options.host;
  return {
    url: `http://${shownHost}:${port}`,
    port,
    coordinator,
    keys,
    presence,
    payments: paid?.payments ?? null,
    checkBooks: paid?.checkBooks ?? null,
    async close() {
      for (const timer of timers) clearInterval(timer);
      coordinator.close();
      presence.close();
      await pool.close();
      await node.stop();
      await paid?.close();
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    },
  };
}

/** A whole graph counts as one layer. */
function layersOf(models: ServedModels, id: string): number {
  const manifest = models.get(id)?.manifest;
  return manifest?.kind === 'language' ? manifest.architecture.layers : 1;
}

function relayMetrics(coordinator: Coordinator, { circuits }: RelayNode): MetricsRegistry {
  const registry = new MetricsRegistry();
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  gauge('vessel_providers', 'Providers online.', () => coordinator.providers);
  gauge('vessel_sessions', 'Sessions that hold slots on providers.', () => coordinator.sessions);
  gauge('vessel_waiting_matches', 'Asks waiting for a free slot.', () => coordinator.waiting);
  gauge('vessel_circuits', 'Directions in which data passes through the relay.', () => circuits.ways);
  gauge('vessel_circuit_bytes', 'Bytes that passed through circuits since the start.', () => circuits.bytes);
  return registry;
}

function listen(app: Hono, host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: host, port }, () => resolve(server as Server));
    server.on('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? `Port ${port} is taken. Choose another one with --port.` : cause.message;
      reject(new VesselError('internal', why, { cause }));
    });
  });
}

/** Hands a WebSocket upgrade to libp2p's own listener, bytes as they are. */
function forward(request: IncomingMessage, socket: Duplex, head: Buffer, port: number): void {
  const upstream = connect(port, '127.0.0.1', () => {
    const lines = [`GET / HTTP/1.1`];
    for (let i = 0; i < request.rawHeaders.length; i += 2) lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
    if (head.length > 0) upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
  });
  const end = () => {
    upstream.destroy();
    socket.destroy();
  };
  for (const side of [upstream, socket]) side.on('error', end).on('close', end);
}

/** The relay keeps its peer id over restarts, so that tabs find the one they knew. */
async function relayKey(folder: string) {
  const file = new FileStore(join(folder, 'peer-key'));
  const known = await file.read();
  if (known) return privateKeyFromProtobuf(Buffer.from(known, 'base64'));
  const key = await newPeerKey();
  await file.write(Buffer.from(privateKeyToProtobuf(key)).toString('base64'));
  return key;
}

/** Tokenizers are big: read once per model. */
function codecs(store: ModelStore, models: ServedModels): (id: string) => Promise<TextCodec> {
  const known = new Map<string, Promise<TextCodec>>();
  return (id) => {
    let codec = known.get(id);
    if (!codec) {
      codec = (async () => {
        const manifest = models.get(id)?.manifest;
        if (manifest?.kind !== 'language') throw new VesselError('model_not_found');
        const bytes = await store.read(manifest.tokenizer.cid, 0, manifest.tokenizer.bytes);
        return new TextCodec(JSON.parse(new TextDecoder().decode(bytes)));
      })();
      known.set(id, codec);
      codec.catch(() => known.delete(id));
    }
    return codec;
  };
}
