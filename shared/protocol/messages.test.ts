import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { z } from 'zod';
import { errorCodes, errorTable, toVesselError, VesselError } from './errors.ts';
import { frameRefusalSchema, maxRefusalBytes } from './frame-refusal.ts';
import { limits } from './limits.ts';
import { askerMessageSchema, hopMessageSchema } from './order-messages.ts';
import { parseMessage } from './parse-message.ts';
import { presenceClientSchema, presenceRelaySchema } from './presence-messages.ts';
import { samplingSchema } from './sampling.ts';

const session = '0'.repeat(32);
const peer = `12D3KooW${'a'.repeat(44)}`;
const model = `b${'a'.repeat(58)}`;
const refused = { type: 'refused', session, code: 'no_lease', message: 'x' };
const schemas: [string, z.ZodType, object][] = [
  ['an order', askerMessageSchema, { type: 'start', session }],
  ['an answer', hopMessageSchema, refused],
  ['presence of a client', presenceClientSchema, { type: 'match', id: 1, model: 'm', tokens: 5, avoid: [peer] }],
  ['presence of the relay', presenceRelaySchema, { type: 'assign', shards: [{ model, from: 0, to: 2 }] }],
  ['a refusal', frameRefusalSchema, { session, code: 'wrong_peer' }],
];

for (const [name, schema, good] of schemas) {
  test(`[OR1] [PR5] ${name} is read strictly: no field may lack, be of another kind, or be unknown`, () => {
    assert.deepEqual(parseMessage(schema, JSON.stringify(good)), good);
    for (const key of Object.keys(good).filter((field) => field !== 'avoid')) {
      const { [key as never]: _, ...without } = good as Record<string, unknown>;
      assert.throws(() => parseMessage(schema, JSON.stringify(without)), { code: 'bad_message' });
      assert.throws(() => parseMessage(schema, JSON.stringify({ ...good, [key]: { a: 1 } })), { code: 'bad_message' });
    }
    assert.throws(() => parseMessage(schema, JSON.stringify({ ...good, more: 1 })), { code: 'bad_message' });
  });

  test(`[OR1] [PR5] ${name}: any text is a message or a bad_message`, () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.object().map((value) => JSON.stringify({ ...good, ...value })),
    );
    fc.assert(
      fc.property(text, (anything) => {
        try {
          parseMessage(schema, anything);
        } catch (thrown) {
          assert.ok(thrown instanceof VesselError && thrown.code === 'bad_message');
        }
      }),
    );
  });
}

test('[OR1] a message larger than any message may be is refused before it is read as JSON', () => {
  const text = ' '.repeat(limits.maxMessageBytes + 1);
  assert.throws(() => parseMessage(askerMessageSchema, text), { code: 'bad_message', message: /larger/ });
});

test('[ER1] every code has a status, says whether trying again can help, and has words for a person', () => {
  for (const code of errorCodes) {
    const { status, retry, text } = errorTable[code];
    assert.ok(status >= 400 && status < 600);
    assert.ok(text.length > 10);
    assert.equal(new VesselError(code).retry, retry);
    assert.equal(new VesselError(code).message, text);
  }
});

test('[ER2] the list of codes is closed: no message carries another one', () => {
  for (const code of ['teapot', '', 'NO_LEASE']) {
    assert.throws(() => parseMessage(hopMessageSchema, JSON.stringify({ ...refused, code })), { code: 'bad_message' });
    assert.throws(() => parseMessage(frameRefusalSchema, JSON.stringify({ session, code })), { code: 'bad_message' });
  }
});

test('[ER3] what is thrown without a code becomes `internal` and keeps its cause', () => {
  const cause = new TypeError('x is undefined');
  const error = toVesselError(cause);
  assert.deepEqual([error.code, error.message, error.cause], ['internal', 'x is undefined', cause]);
  assert.equal(toVesselError('odd').message, 'odd');
  assert.equal(toVesselError(error), error);
});

test('[ST7] the longest refusal fits its record', () => {
  for (const code of errorCodes) assert.ok(JSON.stringify({ session, code }).length <= maxRefusalBytes);
});

test('[SA6] settings outside their range are refused, absent ones are those of the OpenAI API', () => {
  assert.deepEqual(samplingSchema.parse({ seed: 1 }), {
    temperature: 1,
    topP: 1,
    topK: 0,
    minP: 0,
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    seed: 1,
    choice: 0,
    logitBias: [],
    topLogprobs: null,
  });
  const wrong = [
    { temperature: -1 },
    { temperature: 2.1 },
    { temperature: Number.NaN },
    { topP: 0 },
    { topP: 1.01 },
    { topK: -1 },
    { topK: limits.maxTopK + 1 },
    { minP: 1.1 },
    { repetitionPenalty: 0 },
    { presencePenalty: 3 },
    { frequencyPenalty: -3 },
    { seed: -1 },
    { seed: 2 ** 53 },
    { seed: 0.5 },
    { choice: limits.maxChoices },
    { logitBias: [[-1, 0]] },
    { logitBias: [[1, 101]] },
    { topLogprobs: limits.maxTopLogprobs + 1 },
    { unknown: 1 },
  ];
  for (const change of wrong)
    assert.equal(samplingSchema.safeParse({ seed: 1, ...change }).success, false, JSON.stringify(change));
});
