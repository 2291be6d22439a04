import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json.ts';

test('keys are sorted at every depth and nothing is spaced', () => {
  assert.equal(
    canonicalJson({ b: [1, { z: null, a: 'ü"' }], a: 1e-6, é: true }),
    '{"a":0.000001,"b":[1,{"a":"ü\\"","z":null}],"é":true}',
  );
});

test('[MO1] one value has one spelling, whatever the order of its keys', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).reverse());
      assert.equal(canonicalJson(turned), canonicalJson(value));
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('what JSON cannot say is refused', () => {
  for (const value of [undefined, Number.NaN, { a: undefined }, [() => 1], 1n])
    assert.throws(() => canonicalJson(value), TypeError);
});
