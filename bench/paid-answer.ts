/**
 * Long paid answers between real parties, without the work: the asker's paying, the hops' metering, and every message as JSON
 * through the schemas of the wire. What is left of the processor's time is what paying costs.
 */
import { MemoryVoucherStore } from '../provider/metering/memory-voucher-store.ts';
import { Metering } from '../provider/metering/metering.ts';
import type { SessionMeter } from '../provider/metering/session-meter.ts';
import { type DeviceKey, deviceKey, generateKeyPair } from '../sdk/net/device-key.ts';
import { newSessionKey } from '../sdk/paying/session-key.ts';
import { SessionPaying } from '../sdk/paying/session-paying.ts';
import { VoucherPayer } from '../sdk/paying/voucher-payer.ts';
import type { Clock } from '../shared/protocol/clock.ts';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import { askerMessageSchema, hopMessageSchema } from '../shared/protocol/order-messages.ts';
import { parseMessage } from '../shared/protocol/parse-message.ts';
import { stringifyMessage } from '../shared/protocol/stringify-message.ts';
import { address, FakeChain, networkTerms } from '../testing/fake-chain.ts';

const payer = address(0xaa);
const shares = [
  { account: address(0xb1), basisPoints: 500 },
  { account: address(0xb2), basisPoints: 250 },
];
const terms = networkTerms({ ask: { prompt: 10n ** 12n, output: 3n * 10n ** 12n } });
const { ask } = terms;
const cap = 10n ** 24n;
/** Nobody waits here for longer than a message takes. */
const clock: Clock = { now: () => performance.now(), after: () => () => {} };
/** Any manifest will do. */
const model = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku';
const outputToken = 7;

export const sessionKey = newSessionKey();

export interface PaidHop {
  key: DeviceKey;
  metering: Metering;
  peer: string;
  from: number;
  to: number;
}

/** A hop that has never heard of the payer; keeps what it learns from answer to answer. */
export async function paidHop(index: number, key?: DeviceKey): Promise<PaidHop> {
  const signer = key ?? (await deviceKey(await generateKeyPair()));
  const coverage = new FakeChain();
  coverage.authorize(payer, sessionKey.address, { cap });
  const metering = new Metering({ signer, clock, unixSeconds: () => 0, coverage, store: new MemoryVoucherStore() });
  metering.terms = terms;
  return { key: signer, metering, peer: `hop${index}`, from: index, to: index + 1 };
}

export function voucherPayer(): VoucherPayer {
  return new VoucherPayer({ sessionKey: sessionKey.privateKey, payer, place: terms, cap });
}

/** In chunks of the prompt and batches of output. */
export interface AnswerLength {
  chunks: number;
  batches: number;
}

export interface PaidAnswerCost {
  session: string;
  /** Milliseconds per output batch, all parties. */
  output: number;
  /** Milliseconds per chunk of the prompt, all parties. */
  prompt: number;
  /** What the first hop was sent, and after how many positions. */
  script: { at: number; text: string }[];
}

/** Processor time, all threads, in milliseconds. */
export function cpuMs(since?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** Rejects when any party is not content. */
export async function paidAnswer(hops: readonly PaidHop[], asker: VoucherPayer, length: AnswerLength): Promise<PaidAnswerCost> {
  const failed = Promise.withResolvers<never>();
  return Promise.race([failed.promise, answer(hops, asker, length, failed.reject)]);
}

async function answer(
  hops: readonly PaidHop[],
  asker: VoucherPayer,
  { chunks, batches }: AnswerLength,
  fail: (thrown: unknown) => void,
): Promise<PaidAnswerCost> {
  const session = newSession();
  const promptIds = promptOf(chunks);
  const histories = historiesOf(promptIds, batches);
  const receipts = new Arrivals();
  const meters = new Map<string, SessionMeter>();
  const script: PaidAnswerCost['script'] = [];
  let position = 0;
  const paying: SessionPaying = new SessionPaying({
    route: {
      session,
      model,
      shares,
      hops: hops.map(({ metering, peer, from, to }) => ({
        provider: peer,
        account: metering.account,
        from,
        to,
        ask,
        backend: 'wasm',
        adapter: '',
      })),
    },
    terms,
    payer: asker,
    promptIds,
    maxTokens: batches * limits.outputBatch + 1,
    epoch: 0,
    send: (peer, payment) => {
      const text = stringifyMessage({ type: 'pay', session, payment });
      if (peer === hops[0]!.peer) script.push({ at: position, text });
      hear(meters.get(peer)!, text).catch(fail);
    },
    onFailed: fail,
  });
  for (const hop of hops) {
    const onReceipt = (text: string) => {
      const message = parseMessage(hopMessageSchema, text);
      if (message.type !== 'receipt') throw new Error('This is not a receipt.');
      paying.receipt(hop.peer, message.signed);
      receipts.add();
    };
    meters.set(hop.peer, await meterOf(hop, session, onReceipt));
  }
  const step = async (count: number, isOutput: boolean, isPromptEnd = false) => {
    for (const meter of meters.values()) await meter.cover(count, isOutput);
    position += count;
    for (const meter of meters.values()) meter.computed(count, isOutput, isPromptEnd, histories[position]!);
  };
  const receipted = (steps: number) => receipts.reach(steps * hops.length);

  let began = process.cpuUsage();
  await paying.begin();
  for (let chunk = 1; chunk <= chunks; chunk++) {
    await step(limits.prefillChunk, false, chunk === chunks);
    await receipted(chunk);
  }
  const prompt = cpuMs(began) / chunks;
  began = process.cpuUsage();
  paying.token(outputToken);
  for (let batch = 1; batch <= batches; batch++) {
    for (let token = 0; token < limits.outputBatch; token++) {
      await step(1, true);
      paying.token(outputToken);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await receipted(chunks + batch);
    // Real work leaves the asker the time to check them before the next voucher is due.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const output = cpuMs(began) / batches;
  for (const [peer, meter] of meters) {
    await meter.end();
    paying.closed(peer);
  }
  await paying.finish();
  return { session, output, prompt, script };
}

/** A hop alone, with the money that an answer sent to the first one: milliseconds per output batch. */
export async function hopAlone(hop: PaidHop, answer: PaidAnswerCost, { chunks, batches }: AnswerLength): Promise<number> {
  const receipts = new Arrivals();
  const meter = await meterOf(hop, answer.session, () => receipts.add());
  const histories = historiesOf(promptOf(chunks), batches);
  const prompt = chunks * limits.prefillChunk;
  const coming = answer.script.values();
  let next = coming.next().value;
  let began = process.cpuUsage();
  for (let position = 0; position < histories.length - 1; ) {
    for (; next && next.at <= position; next = coming.next().value) await hear(meter, next.text);
    const isOutput = position >= prompt;
    if (position === prompt) began = process.cpuUsage();
    const count = isOutput ? 1 : limits.prefillChunk;
    await meter.cover(count, isOutput);
    position += count;
    meter.computed(count, isOutput, position === prompt, histories[position]!);
  }
  await receipts.reach(chunks + batches);
  const cost = cpuMs(began) / batches;
  await meter.end();
  return cost;
}

async function meterOf(
  { metering, from, to }: PaidHop,
  session: string,
  onReceipt: (text: string) => void,
): Promise<SessionMeter> {
  const begin = await metering.admit({
    session,
    epoch: 0,
    model,
    from,
    to,
    payment: { source: { kind: 'voucher', payer, sessionKey: sessionKey.address }, ask },
  });
  return begin!((signed) => onReceipt(stringifyMessage({ type: 'receipt', session, signed })));
}

function hear(meter: SessionMeter, text: string): Promise<void> {
  const message = parseMessage(askerMessageSchema, text);
  if (message.type !== 'pay') throw new Error('This is not a payment.');
  return meter.pay(message.payment);
}

/** Counts, and keeps nothing busy that waits for a count. */
class Arrivals {
  #count = 0;
  #wake = () => {};

  add(): void {
    this.#count++;
    this.#wake();
  }

  async reach(count: number): Promise<void> {
    while (this.#count < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function newSession(): string {
  return crypto.randomUUID().replaceAll('-', '');
}

function promptOf(chunks: number): number[] {
  return Array.from({ length: chunks * limits.prefillChunk }, (_, at) => at % 500);
}

/** By position. Hops have them from the frames they work on; only the asker hashes for the sake of paying. */
function historiesOf(promptIds: readonly number[], batches: number): Uint8Array[] {
  const histories = [emptyHistory];
  const output = Array.from({ length: batches * limits.outputBatch }, () => outputToken);
  for (const token of [...promptIds, ...output]) histories.push(extendHistory(histories.at(-1)!, [token]));
  return histories;
}
