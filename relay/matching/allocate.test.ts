import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AllocationPolicy, allocate } from './allocate.ts';
import { ModelSize, type PlacedModel } from './model-size.ts';
import type { Provider } from './provider.ts';
import { applied, held, isComplete, sampleModel, sampleProvider, violations } from './testing/sample-network.ts';

const splitOf = (id: string, parts: number[]): AllocationPolicy => ({ split: new Map([[id, parts]]) });

function settled(models: PlacedModel[], providers: Provider[], policy: AllocationPolicy = {}): Provider[] {
  return applied(providers, allocate({ models, providers }, policy), 'ready');
}

/** Providers that join one after the other, each loaded before the next comes. */
function joined(models: PlacedModel[], providers: Provider[], policy: AllocationPolicy = {}): Provider[] {
  let online: Provider[] = [];
  for (const provider of providers) online = settled(models, online.concat(provider), policy);
  return online;
}

const tabs = (count: number, memoryBytes: number) =>
  Array.from({ length: count }, (_, index) => sampleProvider(`t${index}`, memoryBytes));

test('one provider with room for everything holds the whole model', () => {
  assert.equal(held(settled([sampleModel('m', 8)], tabs(1, 80)), 'm'), 't0:0-8');
});

test('with explicit parts a joiner gets the part with the fewest holders, ties to the lowest', () => {
  const policy = splitOf('m', [2, 6]);
  const online = joined([sampleModel('m', 8)], tabs(5, 80), policy);
  assert.equal(held(online, 'm'), 't0:0-2 t2:0-2 t4:0-2 t1:2-8 t3:2-8');
});

test('with explicit parts a joiner too small for the neediest part gets the next one', () => {
  const policy = splitOf('m', [2, 6]);
  const online = joined([sampleModel('m', 8)], [sampleProvider('big', 80), ...tabs(2, 25)], policy);
  assert.equal(held(online, 'm'), 't0:0-2 t1:0-2 big:2-8');
});

test('a maximum of layers per provider cuts a model into equal parts as tabs join', () => {
  const policy = { maxLayersPerProvider: 3 };
  const models = [sampleModel('m', 8)];
  assert.equal(held(joined(models, tabs(3, 999), policy), 'm'), 't0:0-3 t1:3-6 t2:6-8');
  assert.equal(isComplete(models[0]!, joined(models, tabs(2, 999), policy)), false);
});

test('tabs that come at once are cut like those that come one by one', () => {
  const online = settled([sampleModel('m', 12)], tabs(4, 999), { maxLayersPerProvider: 3 });
  assert.deepEqual(online.map(({ shard }) => shard!.to - shard!.from).sort(), [3, 3, 3, 3]);
});

test('larger memory gets larger ranges', () => {
  const online = settled(
    [sampleModel('m', 24)],
    [sampleProvider('small', 60), sampleProvider('large', 120), sampleProvider('middle', 80)],
  );
  const layers = new Map(online.map(({ id, shard }) => [id, shard!.to - shard!.from]));
  assert.ok(layers.get('large')! > layers.get('middle')! && layers.get('middle')! > layers.get('small')!);
});

test('a tied head needs the embedding beside it, and KV for one session is set aside', () => {
  const model = sampleModel('m', 4, {
    embeddingBytes: 30,
    headBytes: 2,
    tiedEmbedding: true,
    kvBytesPerTokenPerLayer: 1,
    context: 8,
  });
  const size = new ModelSize(model);
  assert.equal(size.shardBytes(0, 2), 30 + 2 * 18);
  assert.equal(size.shardBytes(1, 2), 18);
  assert.equal(size.shardBytes(2, 4), 30 + 2 + 2 * 18);
  assert.equal(size.shardBytes(0, 4), 30 + 2 + 4 * 18);
  assert.equal(new ModelSize({ ...model, context: 100_000 }).shardBytes(1, 2), 10 + 2048);
});

test('a gap left by a tab is filled by an idle provider and nobody else moves', () => {
  const models = [sampleModel('m', 8)];
  const policy = { maxLayersPerProvider: 4, replicas: 1 };
  const online = joined(models, tabs(3, 40), policy);
  assert.equal(held(online, 'm'), 't0:0-4 t1:4-8');
  assert.equal(held(settled(models, online.slice(1), policy), 'm'), 't2:0-4 t1:4-8');
});

test('without an idle provider the extra holder of the most replicated part moves into the gap', () => {
  const models = [sampleModel('m', 9)];
  const policy = splitOf('m', [3, 3, 3]);
  const online = joined(models, tabs(6, 40), policy).filter(({ id }) => !['t1', 't4', 't5'].includes(id));
  assert.equal(held(online, 'm'), 't0:0-3 t3:0-3 t2:6-9');
  const after = settled(models, online, policy);
  assert.ok(isComplete(models[0]!, after));
  assert.equal(after.filter((provider, index) => provider.shard!.from !== online[index]!.shard!.from).length, 1);
});

test('when neither is there, the range is cut anew among those that remain', () => {
  const models = [sampleModel('m', 9)];
  const online = settled(models, tabs(3, 60), { maxLayersPerProvider: 3 });
  const after = settled(models, online.slice(0, 2), {});
  assert.ok(isComplete(models[0]!, after));
  const unmoved = after.filter(
    ({ shard }, index) => shard!.from === online[index]!.shard!.from && shard!.to === online[index]!.shard!.to,
  );
  assert.equal(unmoved.length, 1, 'one neighbour takes over, the other stays');
});

test('paused and leaving providers hold nothing', () => {
  const online = joined([sampleModel('m', 4)], tabs(3, 40));
  const quiet = online.map(
    (provider, index): Provider => ({ ...provider, state: index === 0 ? 'paused' : index === 1 ? 'leaving' : 'sharing' }),
  );
  const after = settled([sampleModel('m', 4)], quiet);
  assert.equal(held(after, 'm'), 't2:0-4');
});

test('a provider that lowers its pledge loses what no longer fits', () => {
  const [whole] = settled([sampleModel('m', 4)], tabs(1, 40));
  assert.deepEqual(allocate({ models: [sampleModel('m', 4)], providers: [{ ...whole!, memoryBytes: 5 }] }, {}), [
    { providerId: 't0', range: null },
  ]);
});

test('every wanted model gets one chain before any gets a second', () => {
  const models = [
    sampleModel('hot', 4, { demand: 10 }),
    sampleModel('cold', 4, { demand: 0.1 }),
    sampleModel('unwanted', 4, { demand: 0 }),
  ];
  const online = settled(models, tabs(2, 40));
  assert.equal(held(online, 'hot').length > 0 && held(online, 'cold').length > 0, true);
  assert.equal(held(online, 'unwanted'), '');
});

test('more idle providers follow demand', () => {
  const models = [sampleModel('hot', 4, { demand: 3 }), sampleModel('cold', 4, { demand: 1 })];
  const online = settled(models, tabs(8, 40));
  assert.equal(online.filter(({ shard }) => shard?.model === 'hot').length, 6);
});

test('a small model gives way on the only provider that can hold a large one', () => {
  const models = [sampleModel('small', 2), sampleModel('large', 4, { layerBytes: [40, 40, 40, 40] })];
  const start = settled([models[0]!], [sampleProvider('big', 160)]);
  const after = settled(models, [...start, sampleProvider('tiny', 20)]);
  assert.equal(held(after, 'large'), 'big:0-4');
  assert.equal(held(after, 'small'), 'tiny:0-2');
});

test('a lopsided part is evened out, a nearly even one is left alone', () => {
  const models = [sampleModel('m', 4)];
  const policy = splitOf('m', [2, 2]);
  const at = (id: string, from: number) =>
    sampleProvider(id, 40, { shard: { model: 'm', from, to: from + 2, phase: 'ready', progress: 1 } });
  const lopsided = [at('a', 0), at('b', 0), at('c', 0), at('d', 2)];
  assert.equal(allocate({ models, providers: lopsided }, policy).length, 1);
  const nearlyEven = [...'abcde'].map((id) => at(id, 0)).concat([...'fgh'].map((id) => at(id, 2)));
  assert.deepEqual(allocate({ models, providers: nearlyEven }, policy), [], '3 of 4 achievable is 0.75');
});

test('a provider in the middle of an answer is not moved for balance', () => {
  const models = [sampleModel('m', 4)];
  const at = (id: string, from: number, used: number) =>
    sampleProvider(id, 40, { slots: { total: 4, used }, shard: { model: 'm', from, to: from + 2, phase: 'ready', progress: 1 } });
  const providers = [at('a', 0, 1), at('b', 0, 1), at('c', 0, 1), at('d', 2, 0)];
  assert.deepEqual(allocate({ models, providers }, splitOf('m', [2, 2])), []);
});

test('providers too small for a part share it', () => {
  const models = [sampleModel('m', 4)];
  const online = settled(models, settled(models, tabs(2, 20)).concat(sampleProvider('x', 10), sampleProvider('y', 10)));
  const small = online.filter(({ id }) => id === 'x' || id === 'y').map(({ shard }) => shard && shard.to - shard.from);
  assert.deepEqual(small, [1, 1]);
});

const arbitraryModel = (id: string, isUniform: boolean): fc.Arbitrary<PlacedModel> =>
  fc
    .record({
      layerBytes: isUniform
        ? fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 4, max: 12 })).map(([n, b]) => new Array<number>(n).fill(b))
        : fc.array(fc.integer({ min: 4, max: 14 }), { minLength: 1, maxLength: 6 }),
      embeddingBytes: fc.integer({ min: 0, max: 20 }),
      headBytes: fc.integer({ min: 0, max: 20 }),
      tiedEmbedding: fc.boolean(),
      kvBytesPerTokenPerLayer: fc.integer({ min: 0, max: 1 }),
      demand: fc.constantFrom(0, 0.5, 1, 3),
    })
    .map((shape) => sampleModel(id, shape.layerBytes.length, { ...shape, context: 3 }));

const arbitraryProvider = (id: string): fc.Arbitrary<Provider> =>
  fc
    .record({
      memoryBytes: fc.integer({ min: 5, max: 90 }),
      state: fc.constantFrom<Provider['state']>('sharing', 'sharing', 'sharing', 'sharing', 'paused', 'leaving'),
      used: fc.integer({ min: 0, max: 2 }),
      rating: fc.constantFrom(0.5, 1),
      shard: fc.option(
        fc.record({
          model: fc.constantFrom('m0', 'm1', 'gone'),
          from: fc.integer({ min: 0, max: 5 }),
          layers: fc.integer({ min: 1, max: 4 }),
          phase: fc.constantFrom('assigned' as const, 'loading' as const, 'ready' as const),
        }),
      ),
    })
    .map(({ shard, used, ...rest }) =>
      sampleProvider(id, rest.memoryBytes, {
        ...rest,
        slots: { total: 4, used },
        shard: shard && { model: shard.model, from: shard.from, to: shard.from + shard.layers, phase: shard.phase, progress: 0 },
      }),
    );

const arbitraryNetwork = (most: number, isUniform: boolean) =>
  fc.record({
    models: fc.tuple(arbitraryModel('m0', isUniform), arbitraryModel('m1', isUniform)),
    providers: fc
      .integer({ min: 0, max: most })
      .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => arbitraryProvider(`p${i}`)))),
    policy: fc.record(
      {
        maxLayersPerProvider: fc.integer({ min: 1, max: 6 }),
        replicas: fc.integer({ min: 1, max: 3 }),
        split: fc.constantFrom(splitOf('m0', [1, 2]).split!, splitOf('m0', [2, 2]).split!, splitOf('m1', [1, 1, 1]).split!),
      },
      { requiredKeys: [] },
    ),
  });

test('no network makes allocation exceed memory, use a paused provider or change its mind', () => {
  fc.assert(
    fc.property(
      fc.boolean().chain((isUniform) => arbitraryNetwork(14, isUniform)),
      ({ models, providers, policy }) => {
        const changes = allocate({ models, providers }, policy);
        for (const phase of ['assigned', 'ready'] as const) {
          const after = applied(providers, changes, phase);
          const usesSplit = [...(policy.split ?? [])].every(([id, parts]) => {
            const model = models.find((candidate) => candidate.id === id);
            return model && parts.reduce((a, b) => a + b, 0) === model.layers;
          });
          const { split: _, ...unsplit } = policy;
          assert.deepEqual(violations(models, after, usesSplit ? policy : unsplit), []);
          assert.deepEqual(allocate({ models, providers: after }, policy), [], `stable once ${phase}`);
        }
      },
    ),
    { numRuns: 1500 },
  );
});

/** Sets of providers (as bits) that can hold the whole model in some order, by trying every order and every cut. */
function sufficientSets(model: PlacedModel, providers: readonly Provider[], policy: AllocationPolicy): Set<number> {
  const size = new ModelSize(model);
  const parts = policy.split?.get(model.id);
  const hasSplit = parts && parts.reduce((a, b) => a + b, 0) === model.layers;
  const ends = hasSplit ? parts.map((_, index) => parts.slice(0, index + 1).reduce((a, b) => a + b, 0)) : null;
  const most = hasSplit ? model.layers : (policy.maxLayersPerProvider ?? model.layers);
  const sets = new Set<number>();
  const walk = (from: number, used: number): void => {
    if (from === model.layers) sets.add(used);
    for (const [index, { memoryBytes, state }] of providers.entries()) {
      if (state !== 'sharing' || (used & (1 << index)) !== 0) continue;
      for (let to = from + 1; to <= Math.min(model.layers, from + most); to++) {
        if (ends && to !== ends.find((end) => end > from)) continue;
        if (size.shardBytes(from, to) <= memoryBytes) walk(to, used | (1 << index));
      }
    }
  };
  walk(0, 0);
  return sets;
}

test('whatever the online memory can cover, one model or two, is covered', () => {
  const seen = { complete: 0, both: 0 };
  fc.assert(
    fc.property(
      fc.boolean().chain((isUniform) => arbitraryNetwork(5, isUniform)),
      ({ models, providers, policy }) => {
        const after = applied(providers, allocate({ models, providers }, policy), 'ready');
        const wanted = models.filter((model) => model.demand > 0);
        const sets = wanted.map((model) => [...sufficientSets(model, providers, policy)]);
        const complete = wanted.filter((model) => isComplete(model, after)).length;
        const canBoth = sets.length === 2 && sets[0]!.some((a) => sets[1]!.some((b) => (a & b) === 0));
        const canOne = sets.some((options) => options.length > 0);
        const possible = canBoth ? 2 : canOne ? 1 : 0;
        if (possible > 0) seen.complete++;
        if (possible > 1) seen.both++;
        assert.equal(complete, possible);
      },
    ),
    { numRuns: 1500 },
  );
  assert.ok(seen.complete > 300 && seen.both > 50, JSON.stringify(seen));
});

test('twenty-four tabs that are just enough for equal layers form a chain', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 24, maxLength: 24 }), fc.boolean(), (rooms, isTied) => {
      const embedding = 7;
      const memory = (index: number) => rooms[index]! * 10 + (index === 5 || (isTied && index === 17) ? embedding : 0);
      const layers = rooms.reduce((a, b) => a + b, 0);
      const models = [sampleModel('m', layers, { embeddingBytes: embedding, tiedEmbedding: isTied })];
      const online = settled(
        models,
        rooms.map((_, index) => sampleProvider(`p${index}`, memory(index))),
      );
      assert.ok(isComplete(models[0]!, online));
    }),
    { numRuns: 60 },
  );
});

test('a complete model that is not out of balance does not move when a tab joins', () => {
  fc.assert(
    fc.property(arbitraryNetwork(8, true), arbitraryProvider('new'), ({ models, providers, policy }, joiner) => {
      const [model] = models.map((candidate) => ({ ...candidate, demand: 1 }));
      const before = settled([model!], providers, policy);
      if (!isComplete(model!, before)) return;
      const changes = allocate(
        { models: [model!], providers: [...before, { ...joiner, shard: null }] },
        { ...policy, replicas: 1 },
      );
      assert.deepEqual(changes, []);
      const growing = allocate({ models: [model!], providers: [...before, { ...joiner, shard: null }] }, policy);
      const unmoved = before.filter(({ id, shard }) => shard && !growing.some(({ providerId }) => providerId === id));
      assert.ok(isComplete(model!, unmoved) || growing.length === 0, 'a chain stays where it was');
    }),
    { numRuns: 500 },
  );
});
