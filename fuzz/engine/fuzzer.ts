/**
 * Runs inputs through one target: takes one that did something new before, changes it, runs it, keeps it when it did something
 * new again. The same seed gives the same inputs, as long as decoders are the same.
 */
import { CoverageMap } from './coverage-map.ts';
import type { InstrumentedModules } from './instrumented-modules.ts';
import { crash, type Finding, refusalOf } from './judge.ts';
import { mutateBytes, type Vocabulary } from './mutate-bytes.ts';
import { mutateJson } from './mutate-json.ts';
import { mutateText } from './mutate-text.ts';
import { Random } from './random.ts';
import { shrink } from './shrink.ts';
import { decodeWith, defaultMaxAllocation, type FuzzInput, type FuzzTarget, toBytes } from './target.ts';

export interface FuzzerPorts {
  /** Milliseconds, ever growing. */
  now(): number;
  /** Milliseconds of processor time this thread took. */
  cpuMs(): number;
  /** Bytes outside of the heap. */
  externalBytes(): number;
  /** Called before each input, so that somebody else knows it should this thread never come back. */
  begin(input: FuzzInput): void;
}

/** One input that takes this much processor time is a finding. A legitimate one takes microseconds to milliseconds. */
const maxInputMs = 1000;
/** Time is looked at more closely from here on. */
const suspiciousMs = 100;
/** Reading the memory costs more than most inputs: one in so many. */
const memoryEvery = 8;
const maxKept = 4000;

export class Fuzzer {
  readonly coverage: CoverageMap;
  readonly #target: FuzzTarget;
  readonly #ports: FuzzerPorts;
  readonly #random: Random;
  readonly #vocabulary: Vocabulary;
  readonly #isGuided: boolean;
  readonly #seeds: readonly FuzzInput[];
  /** What ran code that nothing before it ran and was taken: the best to go on from. */
  readonly #taken: FuzzInput[] = [];
  /** The same, refused: perhaps half of the way to something. */
  readonly #refused: FuzzInput[] = [];
  /** What was only answered in a new way: worth a look now and then, as most of these are broken beyond repair. */
  readonly #answered: FuzzInput[] = [];
  /** Names of findings there are already: a bug is told once. */
  readonly #known = new Set<string>();
  inputs = 0;
  /** There is no use in going on. */
  isStopped = false;

  constructor(
    target: FuzzTarget,
    modules: InstrumentedModules,
    ports: FuzzerPorts,
    { seed, isGuided, isBare }: { seed: number; isGuided: boolean; isBare: boolean },
  ) {
    this.#target = target;
    this.#ports = ports;
    this.#random = new Random(seed);
    this.#isGuided = isGuided;
    this.coverage = new CoverageMap(modules.counters, modules.used);
    this.#vocabulary = { words: [...modules.words(), ...(target.words ?? [])], numbers: modules.numbers() };
    this.#seeds = isBare ? bareSeeds(target) : target.seeds;
  }

  get kept(): number {
    return this.#taken.length + this.#refused.length + this.#answered.length;
  }

  /** Bytes that the kept inputs take, roughly. */
  get keptBytes(): number {
    return [...this.#taken, ...this.#refused, ...this.#answered].reduce((sum, input) => sum + 2 * input.length + 100, 0);
  }

  /** Every seed once. */
  async begin(): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const input of this.#seeds) findings.push(...(await this.#try(input, false)));
    return findings;
  }

  /** `count` new inputs, or fewer when `isOver` says so. */
  async run(count: number, isOver: () => boolean): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (let n = 0; n < count && (n % 64 > 0 || !isOver()) && !this.isStopped; n++) {
      const found = await this.#try(this.#next(), this.#isGuided);
      if (found.length === 0) continue;
      findings.push(...found);
      // Whatever comes of such an input would be slow as well: the run would not end.
      if (found.some(({ kind }) => kind === 'slow')) this.isStopped = true;
    }
    return findings;
  }

  async #try(input: FuzzInput, keep: boolean): Promise<Finding[]> {
    const { now, cpuMs, externalBytes, begin } = this.#ports;
    begin(input);
    const watchesMemory = this.inputs++ % memoryEvery === 0;
    const before = watchesMemory ? externalBytes() : 0;
    const startedMs = now();
    this.coverage.clear();
    const { answer, thrown } = await answerOf(this.#target, input);
    const news = this.coverage.take(answer ?? '');
    const findings: Finding[] = [];
    if (answer === null) findings.push(await this.#explain(input, thrown));
    if (now() - startedMs > suspiciousMs) findings.push(...(await this.#timeAgain(input, cpuMs)));
    const grown = watchesMemory ? externalBytes() - before : 0;
    if (grown > (this.#target.maxAllocation ?? defaultMaxAllocation)) {
      const name = `allocates ${Math.round(grown / 2 ** 20)} MiB`;
      findings.push({ kind: 'allocation', name: 'allocates too much', detail: name, input: toBytes(input) });
    }
    if (news !== 'none' && keep && findings.length === 0) {
      const pool = news === 'answer' ? this.#answered : thrown === undefined ? this.#taken : this.#refused;
      if (pool.length < maxKept) pool.push(input);
    }
    return findings.filter(({ name }) => !this.#known.has(name) && this.#known.add(name));
  }

  /** Stacks cost more than most decoders: they are made only for those who read them. */
  async #explain(input: FuzzInput, thrown: unknown): Promise<Finding> {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 30;
    const again = await answerOf(this.#target, input);
    let finding = crash(again.answer === null ? again.thrown : thrown, toBytes(input));
    if (!this.#known.has(finding.name)) {
      const smallest = await shrink(input, async (smaller) => {
        const { answer, thrown: other } = await answerOf(this.#target, smaller);
        return answer === null && crash(other, finding.input!).name === finding.name;
      });
      const last = await answerOf(this.#target, smallest);
      if (last.answer === null) finding = crash(last.thrown, toBytes(smallest));
    }
    Error.stackTraceLimit = stackTraceLimit;
    return finding;
  }

  /** The machine may have been busy with something else: what counts is the processor time of a second try. */
  async #timeAgain(input: FuzzInput, cpuMs: () => number): Promise<Finding[]> {
    const startedMs = cpuMs();
    await answerOf(this.#target, input);
    const took = cpuMs() - startedMs;
    if (took < maxInputMs) return [];
    const detail = `${Math.round(took)} ms of processor time for ${toBytes(input).length} bytes`;
    return [{ kind: 'slow', name: 'takes too long', detail, input: toBytes(input) }];
  }

  #next(): FuzzInput {
    const { maxLength, mutate, form } = this.#target;
    const random = this.#random;
    const input = this.#pick();
    if (mutate && random.below(2) === 0)
      return (mutate as (input: FuzzInput, below: Random['below']) => FuzzInput)(input, random.below);
    const other = () => this.#pick();
    if (typeof input !== 'string')
      return mutateBytes(input, random, this.#vocabulary, maxLength, other as () => Uint8Array<ArrayBuffer>);
    const change = form === 'json' ? mutateJson : mutateText;
    return change(input, random, this.#vocabulary, maxLength, other as () => string);
  }

  #pick(): FuzzInput {
    const turn = this.#random.below(8);
    const pool = turn === 0 ? this.#answered : turn <= 2 ? this.#refused : turn <= 5 ? this.#taken : this.#seeds;
    return this.#oneOf(pool.length > 0 ? pool : this.#refused.length > 0 ? this.#refused : this.#seeds);
  }

  /** Half of the time one of the newest: what led there leads on. */
  #oneOf(pool: readonly FuzzInput[]): FuzzInput {
    const from = this.#random.below(2) === 0 ? Math.max(0, pool.length - 32) : 0;
    return pool[from + this.#random.below(pool.length - from)]!;
  }
}

/** Nothing to begin from: shows what the engine finds out by itself. */
function bareSeeds({ form }: FuzzTarget): FuzzInput[] {
  if (form === 'bytes') return [new Uint8Array(8)];
  return [form === 'json' ? '{}' : 'a'];
}

/** `answer`: what stands for this kind of answer; null when the decoder threw what it must not throw. */
export async function answerOf(target: FuzzTarget, input: FuzzInput): Promise<{ answer: string | null; thrown: unknown }> {
  try {
    let result = decodeWith(target, input);
    if (result instanceof Promise) result = await result;
    return { answer: typeof result === 'string' ? result : '', thrown: undefined };
  } catch (thrown) {
    return { answer: refusalOf(target, thrown), thrown };
  }
}
