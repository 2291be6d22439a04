/** Real provider processes, real WebRTC: hops are killed and stopped in the middle of answers. `npm run chaos` does it hundreds of times. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sampling } from '../../testing/language-model.ts';
import { ChaosNetwork, type Trouble } from './chaos-network.ts';

let network: ChaosNetwork;
before(async () => {
  network = await ChaosNetwork.start({ hops: 3, copies: 2 });
});
after(() => network?.close());

const request = {
  promptIds: Array.from({ length: 90 }, (_, i) => (31 * i) % 400),
  maxTokens: 40,
  sampling: sampling({ temperature: 0.9, seed: 4 }),
  stopIds: [],
};

const cases: [string, number, number[], Trouble][] = [
  ['the first hop is killed', 7, [0], 'kill'],
  ['the middle hop is killed', 1, [1], 'kill'],
  ['the last hop is killed', 20, [2], 'kill'],
  ['two hops are killed at once', 12, [0, 2], 'kill'],
  ['a hop is killed while the prompt goes in', 0, [1], 'kill'],
  ['a hop stands still', 15, [1], 'stop-for-good'],
];

test('[FO1] whatever happens to real hops, the tokens are those of the undisturbed answer', async (t) => {
  const undisturbed = await network.ask(request);
  assert.equal(undisturbed.tokens.length, 40);
  for (const [what, at, places, trouble] of cases) {
    await t.test(what, async () => {
      await network.whole();
      const { tokens, stats } = await network.ask(request, at, places, trouble);
      assert.deepEqual(tokens, undisturbed.tokens);
      if (at > 0) assert.ok(stats.failovers >= 1, 'it was lost and replaced');
      t.diagnostic(`${what}: ${JSON.stringify(stats.recoveries.map(({ lost: _, ...rest }) => rest))}`);
    });
  }
});
