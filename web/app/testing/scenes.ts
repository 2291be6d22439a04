/** A state for every screen that a person can meet. */
import { contributionOff, type NetworkModel, type NetworkProvider, type NodeState, type RouteView } from '../network.ts';

const tiny: NetworkModel = { id: 'bafytiny', name: 'vessel-tiny', kind: 'language', layers: 8, ready: true };
const digits: NetworkModel = { id: 'bafydigits', name: 'mnist-digits', kind: 'graph', layers: 0, ready: true };
const shard = { model: 'vessel-tiny', from: 4, to: 8, layers: 8 };
const others: NetworkProvider[] = [
  { id: 'k7Qd', model: 'vessel-tiny', from: 0, to: 4, backend: 'webgpu', you: false },
  { id: 'Tx2m', model: 'vessel-tiny', from: 4, to: 8, backend: 'wasm', you: false },
  { id: 'w5Ze', model: 'mnist-digits', from: 0, to: 0, backend: 'webgpu', you: false },
  { id: 'p9Lc', model: 'bafytiny', from: 2, to: 6, backend: 'webgpu', you: false },
];
const you: NetworkProvider = { id: 'aB3f', model: 'vessel-tiny', from: 4, to: 8, backend: 'webgpu', you: true };

export const routes = {
  two: route([
    [0, 4, 'k7Qd', false],
    [4, 8, 'aB3f', true],
  ]),
  eight: route(Array.from({ length: 8 }, (_, layer) => [layer, layer + 1, `n${layer}Qd`, layer === 5])),
  many: route(Array.from({ length: 30 }, (_, hop) => [hop * 2, hop * 2 + 2, `n${hop}`, hop === 11])),
};

function route(hops: [number, number, string, boolean][]): RouteView {
  return {
    model: 'bafytiny',
    tokens: 0,
    active: false,
    hops: hops.map(([from, to, id, isYou], index) => ({
      id,
      from,
      to,
      you: isYou,
      backend: index % 3 === 2 ? 'wasm' : 'webgpu',
      adapter: index % 3 === 2 ? 'wasm 1 thread' : 'apple m2',
      pulses: 0,
    })),
  };
}

function base(): NodeState {
  return {
    support: { secureContext: true, webgpu: 'apple m2', opfs: true, webrtc: true },
    relay: 'online',
    contribution: contributionOff,
    models: [tiny, digits],
    network: { providers: others },
    route: null,
  };
}

const facts = {
  ...contributionOff,
  shard,
  backend: 'webgpu',
  adapter: 'apple m2',
  storage: 'opfs',
  dutyCycle: 0.5,
} as const;

const worked = { ...facts, tokensServed: 1284, bytesIn: 9_830_400, bytesOut: 9_912_000 };
const withYou = { network: { providers: [...others, you] } };

export const scenes = {
  off: base,
  looking: () => ({ ...base(), support: null, relay: 'connecting', models: [], network: { providers: [] } }),
  'no-webgpu': () => ({
    ...base(),
    support: { secureContext: true, webgpu: null, opfs: true, webrtc: true, reason: 'This browser does not offer WebGPU.' },
  }),
  insecure: () => ({
    ...base(),
    support: { secureContext: false, webgpu: null, opfs: false, webrtc: true },
    relay: 'offline',
    models: [],
    network: { providers: [] },
  }),
  offline: () => ({ ...base(), relay: 'offline' }),
  nobody: () => ({ ...base(), models: [{ ...tiny, ready: false }], network: { providers: [] } }),
  half: () => ({ ...base(), models: [{ ...tiny, ready: false }], network: { providers: others.slice(0, 1) } }),
  starting: () => ({ ...base(), contribution: { ...facts, shard: null, phase: 'starting' } }),
  downloading: () => ({
    ...base(),
    contribution: { ...facts, phase: 'downloading', progress: { bytes: 3_200_000, total: 7_092_280 } },
  }),
  memory: () => ({
    ...base(),
    contribution: { ...facts, storage: 'memory', phase: 'downloading', progress: { bytes: 3_200_000, total: 7_092_280 } },
  }),
  loading: () => ({ ...base(), contribution: { ...facts, phase: 'loading' } }),
  checking: () => ({ ...base(), contribution: { ...facts, phase: 'checking' } }),
  ready: () => ({ ...base(), ...withYou, contribution: { ...facts, phase: 'ready' } }),
  working: () => ({ ...base(), ...withYou, contribution: { ...worked, sessions: 2, phase: 'working' } }),
  paused: () => ({ ...base(), ...withYou, contribution: { ...worked, phase: 'paused', reason: 'hidden' } }),
  failed: () => ({
    ...base(),
    contribution: {
      ...contributionOff,
      phase: 'failed',
      code: 'out_of_memory',
      message:
        'The browser has no room to keep this part of the model. Free some disk space, or pledge less memory, and start again.',
    },
  }),
  'route-eight': () => ({ ...base(), ...withYou, route: routes.eight }),
  'route-many': () => ({ ...base(), ...withYou, route: routes.many }),
} as const satisfies Record<string, () => NodeState>;

export type Scene = keyof typeof scenes;

export function isScene(name: string): name is Scene {
  return Object.hasOwn(scenes, name);
}
