/** Answers survive the loss of their hops (SPEC FO rules): real provider cores and the real asker on fake wires. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AskEvent, AskIds } from '../shared/protocol/asking.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { FakeAskPorts, type FakeProvider, FakeWires, type RoutePart } from '../testing/fake-links.ts';
import { languageModel, sampling, wholeAnswer } from '../testing/language-model.ts';
import { createAskIds } from './ask-ids.ts';
import { OrderPool } from './order-pool.ts';

const model = languageModel({ layers: 6, context: 256 });
const cuts = [0, 2, 4, 6];

interface Place {
  wires: FakeWires;
  ports: FakeAskPorts;
  pool: OrderPool;
  /** By hop: the one that begins, then its spares. */
  holders: FakeProvider[][];
  /** Positions computed, by provider. */
  worked: Map<string, number>;
  /** What is done to the output of a provider. */
  spoiled: Map<string, (values: Float32Array) => void>;
}

async function network(seed: number, spares = 3): Promise<Place> {
  const wires = new FakeWires(seed);
  wires.deliveryMs = 3;
  const worked = new Map<string, number>();
  const spoiled = new Map<string, (values: Float32Array) => void>();
  const holders: FakeProvider[][] = [0, 1, 2].map((hop) =>
    Array.from({ length: 1 + spares }, (_, spare) => {
      const name = `h${hop + 1}s${spare + 1}`;
      const provider: FakeProvider = wires.addProvider(name, [model], {
        runtime: {
          onStep: (count) => void worked.set(provider.peer, (worked.get(provider.peer) ?? 0) + count),
          tamper: (values) => spoiled.get(provider.peer)?.(values),
        },
      });
      provider.core.assign([{ model: model.id, from: cuts[hop]!, to: cuts[hop + 1]! }]);
      return provider;
    }),
  );
  await wires.settle();
  const living = (): RoutePart[] =>
    holders.map((all, hop) => ({ provider: all.find(({ isAlive }) => isAlive)!, from: cuts[hop]!, to: cuts[hop + 1]! }));
  const ports = new FakeAskPorts(wires, 'asker', living);
  ports.onLost = (request) =>
    holders.map((all, hop) => {
      const stays = request.again!.kept.find(({ from }) => from === cuts[hop]);
      const avoid = new Set(request.avoid);
      const provider = all.find(({ peer, isAlive }) => (stays ? peer === stays.provider : isAlive && !avoid.has(peer)))!;
      return { provider, from: cuts[hop]!, to: cuts[hop + 1]! };
    });
  return { wires, ports, pool: new OrderPool(ports), holders, worked, spoiled };
}

const request: AskIds = {
  model: model.id,
  promptIds: Array.from({ length: 100 }, (_, i) => (7 * i) % 64),
  maxTokens: 24,
  sampling: sampling({ temperature: 1, seed: 9 }),
  stopIds: [],
};

/** Asks, and calls `onEvent` before each event is looked at. */
async function ask(place: Place, onEvent: (event: AskEvent, tokens: number) => void, change: Partial<AskIds> = {}) {
  const tokens: number[] = [];
  let done: Extract<AskEvent, { type: 'done' }> | null = null;
  const asked = { ...request, ...change };
  const whole = (async () => {
    for await (const event of createAskIds(place.ports, place.pool)(asked)) {
      onEvent(event, tokens.length);
      if (event.type === 'token') tokens.push(event.id);
      if (event.type === 'done') done = event;
    }
  })();
  await place.wires.until(whole);
  assert.deepEqual(tokens, await wholeAnswer(model, asked), 'the tokens are those of the undisturbed answer');
  const end = done as Extract<AskEvent, { type: 'done' }> | null;
  assert.ok(end);
  return end.stats;
}

/** Nothing is left anywhere. */
async function assertFree({ wires, holders, pool, ports }: Place): Promise<void> {
  await pool.close();
  await wires.wait(4000);
  for (const provider of holders.flat()) assert.equal(provider.openCaches, 0, provider.peer);
  assert.equal(ports.open.size, 0);
  assert.equal(wires.time.waiting, 0, 'no timer is left');
}

describe('[FO1] a hop that is gone is replaced, and the answer is the one it would have been', () => {
  for (const hop of [0, 1, 2]) {
    for (const at of [0, 1, 5, 22]) {
      test(`hop ${hop + 1} at token ${at}`, async () => {
        for (let seed = 1; seed <= 10; seed++) {
          const place = await network(seed);
          const stats = await ask(place, (event, tokens) => {
            if (event.type === 'token' && tokens === at) place.wires.kill(place.holders[hop]![0]!.peer);
          });
          // A last hop whose last words arrive all the same is not missed.
          assert.ok(stats.failovers <= 1, JSON.stringify(stats.recoveries, null, 1));
          await assertFree(place);
        }
      });
    }
  }
});

test('[FO2] the hops that stay compute nothing again', async () => {
  for (const hop of [0, 1, 2]) {
    const place = await network(hop + 1);
    const { failovers } = await ask(place, (event, tokens) => {
      if (event.type === 'token' && tokens === 5) place.wires.kill(place.holders[hop]![0]!.peer);
    });
    assert.equal(failovers, 1);
    for (const other of [0, 1, 2].filter((index) => index !== hop)) {
      const worked = place.worked.get(place.holders[other]![0]!.peer)!;
      // When the last hop is lost, a token that only it knew is drawn again: what was computed from it is too.
      const again = hop === 2 ? 2 : 0;
      assert.ok(worked <= 123 + again, `hop ${other + 1} computed ${worked} positions`);
    }
  }
});

test('[FO1] during the prompt, at every hop and moment', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const place = await network(seed);
    const hop = seed % 3;
    let isKilled = false;
    const kill = () => {
      if (isKilled) return;
      isKilled = true;
      place.wires.kill(place.holders[hop]![0]!.peer);
    };
    place.wires.clock.after(seed % 20, kill);
    await ask(place, () => undefined);
    await assertFree(place);
  }
});

test('[FO1] several at once, the same hop twice, and one in the middle of a replacement', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const place = await network(seed);
    const { wires, holders } = place;
    await ask(place, (event, tokens) => {
      if (event.type === 'token' && tokens === 3) {
        wires.kill(holders[seed % 3]![0]!.peer);
        wires.kill(holders[(seed + 1) % 3]![0]!.peer);
        // While the first are being replaced.
        wires.clock.after(seed % 40, () => wires.kill(holders[(seed + 2) % 3]![0]!.peer));
        wires.clock.after(2 * (seed % 30), () => wires.kill(holders[seed % 3]![1]!.peer));
      }
      if (event.type === 'token' && tokens === 12) wires.kill(holders[1]!.find(({ isAlive }) => isAlive)!.peer);
    });
    await assertFree(place);
  }
});

test('[FO3] a hop that only fell silent for a moment goes on where it was, when nobody has taken its place', async () => {
  const place = await network(1, 0);
  const { wires, ports, holders } = place;
  ports.onLost = () => {
    throw new Error('nobody');
  };
  // Nobody else is there: the relay looks for the whole time.
  const match = ports.match.bind(ports);
  ports.match = (asked) => (asked.again ? new Promise(() => undefined) : match(asked));
  const stats = await ask(place, (event, tokens) => {
    if (event.type !== 'token' || tokens !== 4) return;
    wires.freeze(holders[1]![0]!.peer);
    wires.clock.after(3000, () => wires.thaw(holders[1]![0]!.peer));
  });
  assert.equal(stats.failovers, 1);
  assert.equal(place.worked.get(holders[1]![0]!.peer), 123);
});

test('[FO4] garbage, a refused frame and a hop that hangs are losses too', async () => {
  const trouble: ((provider: FakeProvider, place: Place) => void)[] = [
    ({ peer }, { spoiled }) => void spoiled.set(peer, (values) => values.fill(Number.NaN)),
    ({ peer }, { spoiled }) => void spoiled.set(peer, (values) => values.fill(0)),
    (provider, { wires }) => wires.freeze(provider.peer),
    (provider) => {
      provider.isMute = true;
    },
  ];
  for (const [index, spoil] of trouble.entries()) {
    for (const hop of [0, 1, 2]) {
      const place = await network(index + 1);
      const stats = await ask(place, (event, tokens) => {
        if (event.type === 'token' && tokens === 6) spoil(place.holders[hop]![0]!, place);
      });
      assert.ok(stats.failovers >= 1, `trouble ${index} at hop ${hop + 1}`);
    }
  }
});

test('[FO9] without anybody else the ask waits as long as it was told, and then says why it ends', async () => {
  const place = await network(3, 0);
  const { wires, ports, holders } = place;
  ports.onLost = () => {
    throw new VesselError('no_route', 'Open the page in one more tab.');
  };
  let lostMs = 0;
  const asked = ask(
    place,
    (event, tokens) => {
      if (event.type !== 'token' || tokens !== 4) return;
      lostMs = wires.clock.now();
      wires.kill(holders[1]![0]!.peer);
    },
    { recoverMs: 8000 },
  );
  await assert.rejects(asked, (error: VesselError) => error.code === 'provider_lost' && /one more tab/.test(error.message));
  const waitedMs = wires.clock.now() - lostMs;
  assert.ok(waitedMs > 7000 && waitedMs < 10_000, `waited ${waitedMs} ms`);
  await assertFree(place);
});

test('[FO9] an answer that makes no progress whoever computes it ends with what is wrong', async () => {
  const place = await network(4, 20);
  for (const { peer } of place.holders[2]!) place.spoiled.set(peer, (values) => values.fill(Number.NaN));
  await assert.rejects(
    ask(place, () => undefined),
    (error: VesselError) => error.code === 'bad_output',
  );
  await assertFree(place);
});
