import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planRoute, type RouteRequest, routeCost } from './plan-route.ts';
import type { Provider } from './provider.ts';
import { sampleProvider } from './testing/sample-network.ts';

const layers = 4;

function ready(id: string, from: number, to: number, rest: Partial<Provider> = {}): Provider {
  return sampleProvider(id, 100, { shard: { model: 'm', from, to, phase: 'ready', progress: 1 }, layerMsPerToken: 1, ...rest });
}

function ask(providers: Provider[], rest: Partial<RouteRequest> = {}): RouteRequest {
  return { model: 'm', layers, providers, tokens: { prompt: 8, max: 10 }, ...rest };
}

const ids = (request: RouteRequest) => planRoute(request)?.hops.map((hop) => hop.providerId) ?? null;
const rtt = (...entries: [string, number][]) => new Map(entries.map(([id, ms]) => [`peer-${id}`, ms]));

test('hops chain exactly: a shard is never entered or left in its middle', () => {
  assert.equal(ids(ask([ready('a', 0, 3), ready('b', 2, 4)])), null);
  assert.deepEqual(planRoute(ask([ready('a', 0, 3), ready('b', 2, 4), ready('c', 3, 4)]))!.hops, [
    { providerId: 'a', peerId: 'peer-a', from: 0, to: 3 },
    { providerId: 'c', peerId: 'peer-c', from: 3, to: 4 },
  ]);
});

test('a provider that is full, still loading, paused, of another model or excluded is not used', () => {
  const loading = { model: 'm', from: 0, to: 4, phase: 'loading' as const, progress: 0.5 };
  assert.equal(ids(ask([ready('a', 0, 4, { slots: { total: 1, used: 1 } })])), null);
  assert.equal(ids(ask([ready('a', 0, 4, { shard: loading })])), null);
  assert.equal(ids(ask([ready('a', 0, 4, { state: 'paused' })])), null);
  assert.equal(ids(ask([ready('a', 0, 4, { shard: { ...loading, model: 'other', phase: 'ready' } })])), null);
  assert.equal(ids(ask([ready('a', 0, 4)], { exclude: new Set(['a']) })), null);
  assert.equal(ids(ask([])), null);
});

test('proven near pairs win over pairs nobody has measured', () => {
  const providers = [ready('a', 0, 2), ready('b', 2, 4), ready('c', 2, 4, { rttMsToPeers: rtt(['a', 20]) })];
  assert.deepEqual(ids(ask(providers)), ['a', 'c']);
});

test('a pair that cannot connect is forbidden, or goes over the circuit where that is allowed', () => {
  const providers = [ready('a', 0, 2, { unreachable: new Set(['peer-b']) }), ready('b', 2, 4)];
  assert.equal(ids(ask(providers)), null);
  assert.deepEqual(ids(ask(providers, { circuitRttMs: 600 })), ['a', 'b']);
  assert.deepEqual(ids(ask([...providers, ready('c', 2, 4)], { circuitRttMs: 600 })), ['a', 'c']);
});

test('a proven pair is preferred along the whole route, also to providers that compute a little faster', () => {
  const providers = [
    ready('a', 0, 1, { rttMsToPeers: rtt(['b', 40]) }),
    ready('b', 1, 3, { rttMsToPeers: rtt(['c', 40]) }),
    ready('c', 3, 4, { rttMsToPeers: rtt(['a', 40]) }),
    ready('x', 0, 1, { layerMsPerToken: 0.5 }),
    ready('y', 1, 3, { layerMsPerToken: 0.5 }),
    ready('z', 3, 4, { layerMsPerToken: 0.5 }),
  ];
  assert.deepEqual(ids(ask(providers)), ['a', 'b', 'c']);
});

test('a pair that has only the circuit is the last choice: behind a slow proven one, behind one that nobody has tried', () => {
  const circuit = ready('a', 0, 2, { rttMsToPeers: rtt(['slow', 400]), unreachable: new Set(['peer-b']) });
  const others = [ready('b', 2, 4, { layerMsPerToken: 0.1 }), ready('new', 2, 4), ready('slow', 2, 4)];
  for (const [last, left] of [
    ['new', others],
    ['slow', others.filter(({ id }) => id !== 'new')],
    ['b', others.filter(({ id }) => id === 'b')],
  ] as const) {
    assert.deepEqual(ids(ask([circuit, ...left], { circuitRttMs: 600 })), ['a', last]);
  }
});

test('it is enough that one side of a pair could not connect, and a measurement of the other does not undo it', () => {
  const providers = [
    ready('a', 0, 2),
    ready('b', 2, 4, { unreachable: new Set(['peer-a']), rttMsToPeers: rtt(['a', 5]) }),
    ready('c', 2, 4),
  ];
  assert.deepEqual(ids(ask(providers, { circuitRttMs: 600 })), ['a', 'c']);
});

test('the way back from the last hop to the first counts', () => {
  const providers = [
    ready('a', 0, 1, { rttMsToPeers: rtt(['b', 10]) }),
    ready('b', 1, 2, { rttMsToPeers: rtt(['c', 10], ['d', 30]) }),
    ready('c', 2, 4, { rttMsToPeers: rtt(['a', 400]) }),
    ready('d', 2, 4, { rttMsToPeers: rtt(['a', 30]) }),
  ];
  assert.deepEqual(ids(ask(providers)), ['a', 'b', 'd']);
  assert.deepEqual(ids(ask(providers, { tokens: { prompt: 8, max: 1 } })), ['a', 'b', 'c'], 'one token never comes back');
});

test('busy, slow and badly rated providers lose against equals', () => {
  for (const worse of [{ slots: { total: 4, used: 2 } }, { layerMsPerToken: 9 }, { rating: 0.3 }]) {
    assert.deepEqual(ids(ask([ready('a', 0, 4, worse), ready('b', 0, 4)])), ['b']);
  }
});

test('the asker is nearer to some providers than to others', () => {
  const providers = [ready('a', 0, 4), ready('b', 0, 4)];
  assert.deepEqual(ids(ask(providers, { askerRtt: rtt(['a', 90], ['b', 20]) })), ['b']);
});

function cheapestByHand(request: RouteRequest): number {
  const usable = request.providers.filter(
    ({ id, shard, state, slots }) =>
      shard?.model === 'm' &&
      shard.phase === 'ready' &&
      state === 'sharing' &&
      slots.used < slots.total &&
      !request.exclude?.has(id),
  );
  let least = Infinity;
  const walk = (route: Provider[], at: number): void => {
    if (at === request.layers) least = Math.min(least, routeCost(request, route));
    for (const provider of usable) if (provider.shard!.from === at) walk([...route, provider], provider.shard!.to);
  };
  walk([], 0);
  return least;
}

test('no other route is cheaper: equal to trying every route', () => {
  const count = 9;
  const peer = fc.integer({ min: 0, max: count - 1 }).map((index) => `peer-p${index}`);
  const provider = (id: string): fc.Arbitrary<Provider> =>
    fc
      .record({
        from: fc.integer({ min: 0, max: layers - 1 }),
        length: fc.integer({ min: 1, max: 3 }),
        phase: fc.constantFrom('ready' as const, 'ready' as const, 'ready' as const, 'loading' as const),
        layerMsPerToken: fc.option(fc.integer({ min: 0, max: 60 })),
        used: fc.integer({ min: 0, max: 4 }),
        rating: fc.constantFrom(0, 0.5, 1),
        rtts: fc.array(fc.tuple(peer, fc.integer({ min: 0, max: 400 })), { maxLength: 6 }),
        unreachable: fc.array(peer, { maxLength: 2 }),
      })
      .map(({ from, length, phase, used, rtts, unreachable, ...rest }) =>
        sampleProvider(id, 100, {
          ...rest,
          shard: { model: 'm', from, to: Math.min(layers, from + length), phase, progress: 1 },
          slots: { total: 4, used },
          rttMsToPeers: new Map(rtts),
          unreachable: new Set(unreachable),
        }),
      );
  let found = 0;
  fc.assert(
    fc.property(
      fc.tuple(...Array.from({ length: count }, (_, index) => provider(`p${index}`))),
      fc.record({
        tokens: fc.record({ prompt: fc.integer({ min: 1, max: 50 }), max: fc.integer({ min: 1, max: 40 }) }),
        circuitRttMs: fc.constantFrom(null, 600),
        askerRtt: fc.array(fc.tuple(peer, fc.integer({ min: 0, max: 300 }))).map((entries) => new Map(entries)),
        exclude: fc.constantFrom(new Set<string>(), new Set(['p3'])),
      }),
      (providers, rest) => {
        const request = ask(providers, rest);
        const route = planRoute(request);
        const least = cheapestByHand(request);
        if (!route) return assert.equal(least, Infinity);
        found++;
        const byId = new Map(providers.map((entry) => [entry.id, entry]));
        const cost = routeCost(
          request,
          route.hops.map((hop) => byId.get(hop.providerId)!),
        );
        assert.ok(Math.abs(route.costMs - cost) < 1e-6 * cost + 1e-9, 'the cost reported is the cost of the route');
        assert.ok(Math.abs(cost - least) < 1e-6 * least + 1e-9, `${cost} is not ${least}`);
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(found > 300, `${found} instances had a route`);
});
