import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Box, layoutRoute } from './route-layout.ts';

test('every card lies inside of the picture and apart from the others, from a phone to a wide screen and from 1 to 128 hops', () => {
  for (const width of [280, 343, 480, 620, 1200]) {
    for (const hops of [1, 2, 3, 4, 8, 9, 16, 30, 128]) {
      const layout = layoutRoute(hops, width);
      const boxes = [layout.asker, ...layout.hops];
      assert.equal(layout.links.length, hops);
      for (const box of boxes) {
        assert.ok(box.x >= 0 && box.x + box.width <= width, `${hops} hops in ${width}: ${JSON.stringify(box)}`);
        assert.ok(box.y >= 0 && box.y + box.height < layout.height);
      }
      for (const [index, box] of boxes.entries()) {
        assert.ok(!boxes.slice(index + 1).some((other) => overlap(box, other)), `${hops} hops in ${width} overlap`);
      }
    }
  }
});

test('few hops on a wide screen stand in one row', () => {
  const { asker, hops } = layoutRoute(3, 640);
  assert.ok(hops.every((hop) => hop.y === asker.y));
});

test('a hop that begins a row stands right under the one before it', () => {
  const { asker, hops } = layoutRoute(4, 343);
  const boxes = [asker, ...hops];
  const turns = boxes.slice(1).filter((box, index) => box.y !== boxes[index]!.y);
  assert.ok(turns.length > 0);
  for (const box of turns) assert.equal(box.x, boxes[boxes.indexOf(box) - 1]!.x);
});

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
