import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askerMessageSchema, hopMessageSchema } from '../../shared/protocol/order-messages.ts';
import { presenceClientSchema, presenceRelaySchema } from '../../shared/protocol/presence-messages.ts';
import { askerMessages, hopMessages, presenceClientMessages, presenceRelayMessages } from './message-samples.ts';

const all = [
  ['what an asker says', askerMessageSchema, askerMessages],
  ['what a hop says', hopMessageSchema, hopMessages],
  ['what a tab says to the relay', presenceClientSchema, presenceClientMessages],
  ['what the relay says to a tab', presenceRelaySchema, presenceRelayMessages],
] as const;

for (const [name, schema, samples] of all) {
  test(`${name}: fuzzing begins from a valid message of every kind`, () => {
    for (const sample of samples) {
      const parsed = schema.safeParse(sample);
      assert.ok(parsed.success, `${sample.type}: ${parsed.error?.message}`);
    }
    const kinds = schema.options.map(({ shape }) => shape.type.value);
    assert.deepEqual([...new Set(samples.map(({ type }) => type))].toSorted(), kinds.toSorted());
  });
}
