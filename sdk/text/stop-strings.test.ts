import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StopMatcher } from './stop-strings.ts';

function run(stops: string[], pieces: string[]): { text: string; isStopped: boolean } {
  const matcher = new StopMatcher(stops);
  let text = '';
  for (const piece of pieces) {
    const step = matcher.push(piece);
    text += step.text;
    if (step.isStopped) return { text, isStopped: true };
  }
  return { text: text + matcher.end(), isStopped: false };
}

test('a stop string cut over three tokens ends the answer and is not shown', () => {
  assert.deepEqual(run(['STOP'], ['one S', 'TO', 'P two']), { text: 'one ', isStopped: true });
});

test('text that only began like a stop string is given after all', () => {
  const matcher = new StopMatcher(['STOP']);
  assert.equal(matcher.push('a ST').text, 'a ');
  assert.equal(matcher.push('ART').text, 'START');
  assert.equal(matcher.push(' S').text, ' ');
  assert.equal(matcher.end(), 'S');
});

test('nothing is held back that cannot become a stop string', () => {
  assert.equal(new StopMatcher(['xyz']).push('hello').text, 'hello');
  assert.equal(new StopMatcher([]).push('hello').text, 'hello');
});

test('of two stop strings the one complete first wins', () => {
  assert.deepEqual(run(['abcd', 'c'], ['xabcd']), { text: 'xab', isStopped: true });
  assert.deepEqual(run(['bc', 'abc'], ['xabc']), { text: 'x', isStopped: true });
});

test('a self-overlapping stop string is found where it first fits', () => {
  assert.deepEqual(run(['aab'], ['a', 'a', 'a', 'b', 'c']), { text: 'a', isStopped: true });
});

test('after a stop nothing more is given', () => {
  const matcher = new StopMatcher(['x']);
  assert.deepEqual(matcher.push('axb'), { text: 'a', isStopped: true });
  assert.deepEqual(matcher.push('more'), { text: '', isStopped: true });
});

test('however a text is cut into tokens, the same of it is shown as when read letter by letter', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '🙂'), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), fc.array(word, { maxLength: 20 }), (stops, pieces) => {
      const whole = pieces.join('');
      let expected = { text: whole, isStopped: false };
      for (let end = 1; end <= whole.length && !expected.isStopped; end++) {
        const complete = stops.filter((stop) => whole.slice(0, end).endsWith(stop)).map((stop) => end - stop.length);
        if (complete.length > 0) expected = { text: whole.slice(0, Math.min(...complete)), isStopped: true };
      }
      assert.deepEqual(run(stops, pieces), expected);
    }),
  );
});
