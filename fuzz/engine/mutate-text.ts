/** Changes text: characters, stretches, numbers, words of the decoder, pieces of other inputs. */
import { turnsOf, type Vocabulary } from './mutate-bytes.ts';
import type { Random } from './random.ts';

const oddCharacters = [
  ...'\u0000\t\n\r "\'\\/{}[]<>():;,.+-*%=&?#@!|~_0123456789eExX',
  '\u00e9',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '\u{1f600}',
];
const oddNumbers = [
  '0',
  '-0',
  '-1',
  '1',
  '00',
  '1.5',
  '1e999',
  '-1e999',
  '1e21',
  '9007199254740993',
  '4294967296',
  '4294967295',
  '2147483648',
  '1e-400',
  '0x10',
  'NaN',
];

export function mutateText(
  input: string,
  random: Random,
  vocabulary: Vocabulary,
  maxLength: number,
  other: () => string,
): string {
  let text = input;
  for (let turns = turnsOf(random); turns > 0; turns--) text = mutateOnce(text, random, vocabulary, other);
  return (text.length > maxLength ? text.slice(0, maxLength) : text).toWellFormed();
}

function mutateOnce(text: string, random: Random, { words, numbers }: Vocabulary, other: () => string): string {
  const { below } = random;
  const at = below(text.length + 1);
  const length = 1 + below(1 << below(10));
  const put = (by: string, over = 0) => text.slice(0, at) + by + text.slice(at + over);
  switch (below(10)) {
    case 0:
      return put(random.oneOf(oddCharacters), 1);
    case 1:
      return put(random.oneOf(oddCharacters));
    case 2:
      return put('', length);
    case 3:
      return put(text.slice(at, at + length));
    case 4:
      return put(words.length > 0 ? random.oneOf(words) : '', below(2) * length);
    case 5:
      return replaceNumber(
        text,
        at,
        below(2) === 0 && numbers.length > 0 ? String(random.oneOf(numbers) + below(3) - 1) : random.oneOf(oddNumbers),
      );
    case 6: {
      const from = other();
      const start = below(from.length);
      return put(from.slice(start, start + length), below(2) * length);
    }
    case 7:
      return put(random.oneOf(oddCharacters).repeat(1 + below(1 << below(11))));
    case 8:
      return put(text.slice(at, at + length).toUpperCase(), length);
    default:
      return put(String.fromCharCode(32 + below(96)), 1);
  }
}

/** The first number at or after `at`. */
function replaceNumber(text: string, at: number, by: string): string {
  const number = /-?\d[\d.eE+]*/g;
  number.lastIndex = at;
  const found = number.exec(text);
  return found ? text.slice(0, found.index) + by + text.slice(found.index + found[0].length) : text + by;
}
