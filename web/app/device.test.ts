import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPhone, memoryPledges, pledgeLabel } from './device.ts';

const mac =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15';
const android = 'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36';

test('phones and tablets are told from computers, also an iPad that calls itself a Mac', () => {
  assert.equal(isPhone({ userAgent: android, maxTouchPoints: 5 }), true);
  assert.equal(isPhone({ userAgent: mac, maxTouchPoints: 5 }), true);
  assert.equal(isPhone({ userAgent: mac, maxTouchPoints: 0 }), false);
});

test('a phone is offered little memory, a small computer no more than it has', () => {
  const phone = memoryPledges({ userAgent: android, maxTouchPoints: 5 });
  assert.equal(pledgeLabel(phone.choices[phone.first]!), '512 MB');
  assert.equal(pledgeLabel(phone.choices.at(-1)!), '1 GB');
  const small = memoryPledges({ userAgent: mac, maxTouchPoints: 0, deviceMemory: 0.5 });
  assert.equal(pledgeLabel(small.choices.at(-1)!), '1 GB');
  const large = memoryPledges({ userAgent: mac, maxTouchPoints: 0 });
  assert.equal(pledgeLabel(large.choices[large.first]!), '1 GB');
});
