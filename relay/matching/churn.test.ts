/**
 * Hundreds of joins, departures, pauses, silences and demand changes against the real registry, allocator and planner. After each
 * the network settles, and what must always hold is checked. A failure prints its seed; `VESSEL_SEED=<seed>` runs that one alone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../shared/protocol/limits.ts';
import { type AllocationPolicy, allocate } from './allocate.ts';
import { coverWhole } from './complete-model.ts';
import type { PlacedModel } from './model-size.ts';
import { Placement } from './placement.ts';
import { planRoute } from './plan-route.ts';
import { Registry } from './registry.ts';
import { isComplete, sampleModel, sampleProvider, violations } from './testing/sample-network.ts';

/** Numbers 0…1 that depend on the seed alone (a linear congruential generator, its high bits). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

class Network {
  readonly random: () => number;
  readonly registry = new Registry();
  readonly policy: AllocationPolicy;
  models: PlacedModel[];
  nowMs = 0;
  joins = 0;
  moves = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    const size = { embeddingBytes: 25, headBytes: 3, tiedEmbedding: true, kvBytesPerTokenPerLayer: 0.004 };
    this.models = [
      sampleModel('chat', 8, size),
      sampleModel('large', 24, { ...size, layerBytes: new Array<number>(24).fill(18) }),
    ];
    const policies: AllocationPolicy[] = [
      {},
      { maxLayersPerProvider: 3 },
      { replicas: 2 },
      { split: new Map([['chat', [2, 6]]]) },
      { split: new Map([['chat', [3, 3, 2]]]), maxLayersPerProvider: 6 },
    ];
    this.policy = policies[Math.floor(this.random() * policies.length)]!;
  }

  upTo(count: number): number {
    return Math.floor(this.random() * count);
  }

  step(): void {
    const online = this.registry.all();
    const somebody = online[this.upTo(online.length)];
    const dice = this.random();
    if (!somebody || dice < 0.45) {
      const memoryBytes = 40 + this.upTo(4) * 60 + this.upTo(30);
      this.registry.join(sampleProvider(`p${this.joins++}`, memoryBytes, { rating: this.random() }), this.nowMs);
    } else if (dice < 0.65) this.registry.leave(somebody.id);
    else if (dice < 0.75) this.registry.heartbeat(somebody.id, { state: 'paused' }, this.nowMs);
    else if (dice < 0.85) this.registry.heartbeat(somebody.id, { state: 'sharing' }, this.nowMs);
    else if (dice < 0.9) this.registry.heartbeat(somebody.id, { memoryBytes: 30 + this.upTo(200) }, this.nowMs);
    else if (dice < 0.95) this.models = this.models.map((model) => ({ ...model, demand: this.upTo(4) }));
    else this.silence(somebody.id);
  }

  /** A tab freezes: everyone else goes on sending heartbeats. */
  silence(id: string): void {
    this.nowMs += limits.heartbeatMs * limits.heartbeatMissesAllowed + 1;
    for (const other of this.registry.all()) if (other.id !== id) this.registry.heartbeat(other.id, {}, this.nowMs);
    assert.deepEqual(this.registry.expire(this.nowMs), [id]);
  }

  settle(): void {
    const network = { models: this.models, providers: this.registry.all() };
    for (const { providerId, range } of allocate(network, this.policy)) {
      this.registry.assign(providerId, range);
      this.moves++;
    }
    assert.deepEqual(allocate({ models: this.models, providers: this.registry.all() }, this.policy), [], 'stable');
    // Some finish loading now, some later.
    for (const { id, shard } of this.registry.all()) {
      if (shard && this.random() < 0.7)
        this.registry.heartbeat(id, { shard: { ...shard, phase: 'ready', progress: 1 } }, this.nowMs);
    }
  }

  check(): void {
    const providers = this.registry.all();
    assert.deepEqual(violations(this.models, providers, this.policy), []);
    const complete = this.models.filter((model) => isComplete(model, providers));
    for (const model of this.models.filter(({ demand }) => demand > 0)) {
      if (complete.includes(model)) continue;
      // Alone, or with only what the other model's smallest chain leaves: an incomplete model must truly be out of reach.
      const cuttings = new Map(this.models.map(({ id }) => [id, this.cutting(id)]));
      const empty = new Placement(this.models, providers, cuttings);
      const others = this.models.filter((other) => other !== model && other.demand > 0 && complete.includes(other));
      const taken = new Set(others.flatMap((other) => coverWhole(empty, other.id, empty.holders) ?? []).map(({ id }) => id));
      const free = empty.holders.filter(({ id }) => !taken.has(id));
      assert.equal(coverWhole(empty, model.id, free), null, `${model.id} could be complete`);
    }
    for (const model of this.models) {
      const loaded = providers.filter(({ shard, state }) => shard?.phase === 'ready' && state === 'sharing');
      const route = planRoute({ model: model.id, layers: model.layers, providers, tokens: { prompt: 9, max: 9 } });
      assert.equal(route !== null, isComplete(model, loaded), `a route of ${model.id} exactly when ready shards chain`);
    }
  }

  cutting(model: string): { boundaries: number[] | null; maxLayers: number } {
    const { layers } = this.models.find(({ id }) => id === model)!;
    const parts = this.policy.split?.get(model);
    if (!parts) return { boundaries: null, maxLayers: this.policy.maxLayersPerProvider ?? layers };
    return { boundaries: parts.reduce((ends, part) => ends.concat(ends.at(-1)! + part), [0]), maxLayers: layers };
  }
}

// A seed that once failed stays in the first list.
const seeds = process.env.VESSEL_SEED ? [Number(process.env.VESSEL_SEED)] : [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

for (const seed of seeds) {
  test(`through 300 changes everything that can be complete is, seed ${seed}`, () => {
    const network = new Network(seed);
    for (let step = 0; step < 300; step++) {
      try {
        network.step();
        network.settle();
        network.check();
      } catch (thrown) {
        throw new Error(`failed at step ${step}; run again with VESSEL_SEED=${seed}`, { cause: thrown });
      }
    }
    assert.ok(network.moves > 50);
  });
}
