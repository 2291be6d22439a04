/** One valid message of each kind, to begin from. */
import type { Address, Hex } from '../../shared/receipts/hex.ts';

export const session = '0123456789abcdef'.repeat(2);
export const peer = `12D3KooW${'a'.repeat(44)}`;
export const model = `b${'a'.repeat(58)}`;
export const at = (digit: string): Address => `0x${digit.repeat(40)}`;
const word = (digit: string): Hex => `0x${digit.repeat(64)}`;

const ask = { prompt: '1000', output: '2000' };
export const voucherPayment = {
  kind: 'voucher',
  voucher: {
    payer: at('4'),
    total: '5000',
    payments: [
      { payee: at('3'), cumulative: '3000' },
      { payee: at('5'), cumulative: '2000' },
    ],
  },
  signature: `0x${'12'.repeat(64)}1b`,
};
export const creditPayment = {
  kind: 'credit',
  credit: { operator: at('1'), account: at('3'), cumulative: '79228162514264337593543950335', epoch: 7 },
  signature: `0x${'34'.repeat(64)}`,
};
export const signedReceipt = {
  receipt: {
    session: word('1'),
    model: word('2'),
    account: at('3'),
    fromLayer: 0,
    toLayer: 4,
    batch: 1,
    epoch: 0,
    promptPositions: 64,
    outputPositions: 32,
    amount: '384000',
    commitment: word('5'),
  },
  key: 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE'.padEnd(122, 'A'),
  signature: `0x${'07'.repeat(64)}`,
};
const sampling = {
  temperature: 0.7,
  topP: 0.9,
  topK: 40,
  minP: 0.05,
  repetitionPenalty: 1.1,
  presencePenalty: 0.5,
  frequencyPenalty: -0.5,
  seed: 42,
  choice: 1,
  logitBias: [[5, -1.5]],
  topLogprobs: 3,
};

export const askerMessages = [
  {
    type: 'open',
    version: 3,
    session,
    epoch: 0,
    model,
    from: 0,
    to: 4,
    index: 0,
    route: [peer, peer],
    capacity: 256,
    payment: { source: { kind: 'voucher', payer: at('4'), sessionKey: at('6') }, ask },
    again: { known: 5, paidFrom: 3 },
    first: { promptIds: [1, 2, 3], generated: [4, 5] },
    last: { promptIds: [1, 2, 3], maxTokens: 16, stopIds: [2], sampling },
  },
  {
    type: 'open',
    version: 3,
    session,
    epoch: 1,
    model,
    from: 2,
    to: 4,
    index: 1,
    route: [peer, peer],
    capacity: 1,
    payment: { source: { kind: 'credit', operator: at('1') }, ask },
  },
  { type: 'pay', session, payment: voucherPayment },
  { type: 'pay', session, payment: creditPayment },
  { type: 'start', session },
  { type: 'reroute', session, epoch: 1, index: 1, route: [peer, peer], truncate: { position: 3, history: '0123456789abcdef' } },
  { type: 'resume', session, epoch: 1, from: 64, prior: '0123456789abcdef' },
  { type: 'where', session },
  { type: 'close', session },
  { type: 'service-open', version: 3, session, model },
  { type: 'service-run', session, run: 1, order: { format: 'gray8', width: 2, height: 1, more: [{ a: [1] }] }, bytes: 2 },
];

export const hopMessages = [
  { type: 'receipt', session, signed: signedReceipt },
  { type: 'opened', session, epoch: 0 },
  { type: 'rerouted', session, epoch: 1, position: 5 },
  { type: 'here', session, position: 6, computed: 5 },
  { type: 'fault', session, epoch: 1, peer, code: 'provider_lost' },
  { type: 'alive' },
  { type: 'progress', session, position: 64 },
  {
    type: 'token',
    session,
    index: 3,
    id: 17,
    logprob: -0.5,
    top: [
      [17, -0.5],
      [4, -2],
    ],
  },
  { type: 'done', session, reason: 'stop' },
  { type: 'closed', session, decodeBytes: 1000, decodeFrames: 10, computeMs: 12.5 },
  {
    type: 'service-result',
    session,
    run: 1,
    result: { labels: [{ index: 7, score: 0.9 }] },
    meter: { unit: 'image', amount: 1 },
    backend: 'wasm',
  },
  { type: 'refused', session, run: 1, code: 'no_lease', message: 'Ask the relay first.' },
];

const shard = { model, from: 0, to: 4 };
const terms = {
  chainId: 31_337,
  aic: at('a'),
  ledger: at('b'),
  payroll: at('c'),
  accounts: at('d'),
  asset: at('e'),
  registry: at('f'),
  operator: at('1'),
  publisher: at('2'),
  ask,
};

export const presenceClientMessages = [
  { type: 'hello', version: 3, key: signedReceipt.key, peer, signature: 'AAAA', peerSignature: 'BBBB' },
  { type: 'offer', capability: { backend: 'webgpu', adapter: 'google swiftshader', f16: true, memoryBytes: 2 ** 30 }, ask },
  { type: 'withdraw' },
  {
    type: 'heartbeat',
    state: 'sharing',
    shards: [{ ...shard, phase: 'ready', progress: 1 }],
    sessions: 1,
    slots: 4,
    stepMs: 12.5,
    links: [
      [peer, 30],
      [peer, null],
    ],
  },
  { type: 'match', id: 1, model: 'vessel-tiny', tokens: 128, avoid: [peer] },
  { type: 'earned', session, payment: voucherPayment, receipt: signedReceipt },
  { type: 'release', session },
  { type: 'watch', on: true },
];

export const presenceRelayMessages = [
  { type: 'challenge', version: 3, nonce: 'bm9uY2U' },
  {
    type: 'welcome',
    account: at('3'),
    terms,
    relayPeer: peer,
    relayAddresses: [`/dns4/relay.example/tcp/443/tls/ws/p2p/${peer}`],
    iceServers: [{ urls: ['turn:relay.example:3478'], username: 'u', credential: 'c' }],
  },
  { type: 'ice', iceServers: [{ urls: ['stun:relay.example'] }] },
  { type: 'assign', shards: [shard] },
  { type: 'link', peers: [peer] },
  { type: 'lease', session, asker: peer, model, from: 0, to: 4, capacity: 256 },
  { type: 'release', session },
  {
    type: 'route',
    id: 1,
    session,
    model,
    hops: [{ provider: peer, account: at('3'), from: 0, to: 4, backend: 'wasm', adapter: 'x', ask }],
    shares: [{ account: at('9'), basisPoints: 500 }],
  },
  { type: 'refused', id: 1, code: 'no_route', message: 'No.' },
  {
    type: 'network',
    view: {
      providers: [{ peer, backend: 'wasm', shards: [{ ...shard, phase: 'loading', progress: 0.5 }], sessions: 2 }],
      models: [{ id: model, name: 'vessel-tiny', kind: 'language', layers: 4, ready: true }],
    },
  },
  { type: 'error', code: 'bad_message', message: 'x' },
];
