/** What a lost hop does to the bill: nothing is paid twice, and the price stays within what was quoted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AskEvent } from '../../shared/protocol/asking.ts';
import { hopPrice } from '../../shared/receipts/price.ts';
import { wholeAnswer } from '../../testing/language-model.ts';
import { PaidNetwork } from '../../testing/paid-network.ts';
import { quoteRoute } from './session-paying.ts';

const promptIds = Array.from({ length: 150 }, (_, index) => (index * 5) % 64);

for (const place of [0, 1, 2]) {
  test(`[PY15] hop ${place + 1} is lost at any moment of a paid answer: nobody is paid twice for a position`, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const network = await PaidNetwork.create(seed, [{}, {}, {}, {}, {}, {}]);
      const { wires, hops, ports } = network;
      wires.deliveryMs = 2;
      const request = network.request({ promptIds, maxTokens: 80 });
      const at = [-2, -1, 0, 3, 31, 32, 40, 63, 64, 70, 77, 78][seed - 1]!;
      const lose = () => wires.kill(hops[place]!.provider.peer);
      if (at < 0) wires.clock.after(-at * 11, lose);
      const events: AskEvent[] = [];
      const whole = (async () => {
        for await (const event of network.ask(request)) {
          if (event.type === 'token' && event.index === at) lose();
          events.push(event);
        }
      })();
      await wires.until(whole);
      const tokens = events.flatMap((event) => (event.type === 'token' ? event.id : []));
      assert.deepEqual(tokens, await wholeAnswer(network.model, request));
      const done = events.at(-1);
      assert.ok(done?.type === 'done' && done.paid);
      const route = await ports.match({ model: network.model.id, tokens: 1 });
      ports.release(route.session);
      assert.ok(done.paid.price.total <= quoteRoute({ ...route, shares: ports.shares }, 150, 80), 'the quote holds');
      const { ask } = hops[0]!.metering;
      const undisturbed = hopPrice({ layers: 2, ask: ask! }, { promptPositions: 150, outputPositions: 79 });
      for (const [index, amount] of done.paid.price.hops.slice(0, 3).entries()) {
        if (index === place) assert.ok(amount <= undisturbed);
        else assert.equal(amount, undisturbed, `hop ${index + 1} is paid for all of its work`);
      }
      const [lost = 0n] = done.paid.price.hops.slice(3);
      assert.ok(done.paid.price.hops[place]! + lost <= undisturbed, 'the two that shared the place are paid once');
    }
  });
}
