/** Changes JSON as a value, so that most inputs get past the parser and into the schema. */
import { turnsOf, type Vocabulary } from './mutate-bytes.ts';
import { mutateText } from './mutate-text.ts';
import type { Random } from './random.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Place = { parent: Json[] | { [key: string]: Json }; key: string };

/** Stands in for a piece of text that no value is written as: numbers out of range, deep nesting, a key given twice. */
const rawMark = '\u0001raw';
const rawTexts = ['1e999', '-1e999', '-0', '1E400', '12345678901234567890', '1e-400', '"\\ud800"', '{"__proto__":{"x":1}}'];
const oddValues: readonly Json[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  1e21,
  '',
  '0',
  ' ',
  'null',
  '\u0000',
  [],
  {},
  [null],
  [[]],
];
const oddKeys = ['__proto__', 'constructor', 'toString', 'length', '', '0', 'type'];

export function mutateJson(
  input: string,
  random: Random,
  vocabulary: Vocabulary,
  maxLength: number,
  other: () => string,
): string {
  const { below } = random;
  if (below(10) === 0) return mutateText(input, random, vocabulary, maxLength, other);
  let root: Json;
  try {
    root = JSON.parse(input) as Json;
  } catch {
    return mutateText(input, random, vocabulary, maxLength, other);
  }
  const holder = [root];
  // Once at most: lists of lists would grow beyond all bounds.
  if (below(16) === 0) repeatSomewhere(holder, random);
  for (let turns = turnsOf(random); turns > 0; turns--) mutateOnce(holder, random, vocabulary, other);
  const text = withRaw(stringify(holder[0]!), random);
  return text.length > maxLength ? input : text;
}

function mutateOnce(holder: Json[], random: Random, vocabulary: Vocabulary, other: () => string): void {
  const { below } = random;
  const place = pick(holder, random);
  const { parent, key } = place;
  const turn = below(10);
  if (turn === 0) remove(place);
  else if (turn === 1 && Array.isArray(parent) && parent !== holder) parent.splice(Number(key), 0, structuredCopy(read(place)));
  else if (turn === 2 && isRecord(read(place))) addKey(read(place) as { [key: string]: Json }, random, vocabulary);
  else write(place, replacement(read(place), random, vocabulary, { holder, other }));
}

function addKey(record: { [key: string]: Json }, random: Random, vocabulary: Vocabulary): void {
  const key = random.below(2) === 0 ? random.oneOf(oddKeys) : wordOf(random, vocabulary);
  define(record, key, structuredCopy(random.oneOf(oddValues)));
}

/** What could stand in the place of `value`. */
function replacement(
  value: Json,
  random: Random,
  vocabulary: Vocabulary,
  { holder, other }: { holder: Json[]; other: () => string },
): Json {
  switch (random.below(10)) {
    case 0:
    case 1:
      return structuredCopy(random.oneOf(oddValues));
    case 2:
      return rawMark;
    case 3:
      return wordOf(random, vocabulary);
    case 4:
      return pickFrom(other(), random) ?? value;
    case 5:
      // A value of elsewhere in the same input.
      return structuredCopy(read(pick(holder, random)));
    case 6:
      return random.below(2) === 0 ? [value] : { [wordOf(random, vocabulary)]: value };
    case 7:
      return numberOf(value, random, vocabulary);
    default:
      return typeof value === 'string' ? mutateString(value, random) : numberOf(value, random, vocabulary);
  }
}

function mutateString(text: string, random: Random): string {
  const { below } = random;
  const at = below(text.length + 1);
  const character = () => String.fromCharCode(below(8) === 0 ? 1 + below(0xd7ff) : 33 + below(94));
  switch (below(6)) {
    case 0:
      return text.slice(0, at) + character() + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + below(4));
    case 2:
      return text.slice(0, at) + character() + text.slice(at);
    case 3:
      return text.repeat(2 + below(1 << below(7))).slice(0, 20_000);
    case 4:
      return below(2) === 0 ? text.toUpperCase() : text.toLowerCase();
    default:
      // Same alphabet, same length: gets past patterns.
      return text.slice(0, at) + (text[below(text.length)] ?? '0') + text.slice(at + 1);
  }
}

function numberOf(value: Json, random: Random, { numbers }: Vocabulary): Json {
  const { below } = random;
  if (typeof value === 'number' && below(3) > 0)
    return random.oneOf([value + 1, value - 1, -value, value * 2, value + 0.5, below(256)]);
  if (numbers.length > 0 && below(2) === 0) return random.oneOf(numbers) + below(3) - 1;
  return random.oneOf([below(16), below(256), below(65_536), below(2 ** 32), -below(100), random.unit()]);
}

function wordOf(random: Random, { words }: Vocabulary): string {
  return words.length > 0 ? random.oneOf(words) : '';
}

function repeatSomewhere(holder: Json[], random: Random): void {
  const value = read(pick(holder, random));
  if (!Array.isArray(value)) return;
  const item = value.length > 0 ? random.oneOf(value) : null;
  for (let n = 1 << random.below(9); n > 0; n--) value.push(item);
}

/** A random place: goes down from the top, stopping anywhere on the way. */
function pick(holder: Json[], random: Random): Place {
  let place: Place = { parent: holder, key: '0' };
  for (;;) {
    const value = read(place);
    if (typeof value !== 'object' || value === null || random.below(8) === 0) return place;
    const keys = Object.keys(value);
    if (keys.length === 0) return place;
    place = { parent: value, key: random.oneOf(keys) };
  }
}

function pickFrom(text: string, random: Random): Json | undefined {
  try {
    return read(pick([JSON.parse(text) as Json], random));
  } catch {
    return undefined;
  }
}

function read({ parent, key }: Place): Json {
  return (parent as Record<string, Json>)[key] ?? null;
}

function write({ parent, key }: Place, value: Json): void {
  define(parent, key, value);
}

function remove({ parent, key }: Place): void {
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
  if (Array.isArray(parent) && parent.length === 0) parent.push(null);
}

/** An assignment to `__proto__` would be none. */
function define(parent: Place['parent'], key: string, value: Json): void {
  Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
}

function isRecord(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function structuredCopy(value: Json): Json {
  return typeof value === 'object' && value !== null ? (JSON.parse(stringify(value)) as Json) : value;
}

/** What nests too deeply to be written is left out. */
function stringify(value: Json): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    return 'null';
  }
}

function withRaw(text: string, random: Random): string {
  const mark = JSON.stringify(rawMark);
  let result = text;
  while (result.includes(mark)) {
    const depth = 1 << random.below(14);
    const nested = random.below(2) === 0 ? '['.repeat(depth) + ']'.repeat(depth) : '{"a":'.repeat(depth) + 1 + '}'.repeat(depth);
    const raw = random.below(3) === 0 ? nested : random.oneOf(rawTexts);
    result = result.replace(mark, () => raw);
  }
  return result;
}
