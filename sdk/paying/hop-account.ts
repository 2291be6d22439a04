/** One hop of a paid session, as its asker sees it: what was promised to it, what it has signed for, and whether that can be true. */
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import type { RouteHopMessage } from '../../shared/protocol/presence-messages.ts';
import { ReceiptCheck } from '../../shared/receipts/device-signature.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { hopPrice, type PricedHop, type Work } from '../../shared/receipts/price.ts';
import type { ChainPlace } from '../../shared/receipts/typed-data.ts';
import { oneKeyVerifier } from './one-key-verifier.ts';

export interface AskedWork {
  session: Hex;
  model: Hex;
  epoch: number;
  /** Positions of the prompt; of a service: those that its orders can come to, as far as they are to be paid for. */
  prompt: number;
  /** Positions of the prompt that are promised on top of what is signed for. */
  chunk: number;
  /** Positions after the prompt at most: the last token is drawn and not computed. */
  maxOutput: number;
}

/** What is asked of a hop that takes another's place: positions below `paidFrom` were promised to the other, or are only rebuilt. */
export function workFrom(asked: AskedWork, paidFrom: number, epoch: number): AskedWork {
  const output = Math.max(0, paidFrom - asked.prompt);
  return {
    ...asked,
    epoch,
    prompt: Math.max(0, asked.prompt - paidFrom),
    maxOutput: Math.max(0, asked.maxOutput - output),
  };
}

const none = { positions: 0, output: 0 };

export class HopAccount {
  readonly peer: string;
  readonly priced: PricedHop;
  /** Of its receipts' signatures. */
  readonly check: ReceiptCheck;
  readonly #hop: RouteHopMessage;
  readonly #asked: AskedWork;
  #promised: Work = { promptPositions: 0, outputPositions: 0 };
  newest: ReceiptMessage | null = null;
  /** It has said that nothing more comes. */
  isClosed = false;
  /** It is open and its way is known: it may be promised something. One that was lost is promised nothing more. */
  isReady = true;
  /** Positions below this one are not paid to it. */
  readonly paidFrom: number;
  /** Those of them that come after the prompt. */
  readonly #unpaidOutput: number;

  constructor(hop: RouteHopMessage, asked: AskedWork, place: ChainPlace, unpaid: { positions: number; output: number } = none) {
    this.paidFrom = unpaid.positions;
    this.#unpaidOutput = unpaid.output;
    this.#hop = hop;
    this.#asked = asked;
    this.peer = hop.provider;
    this.check = new ReceiptCheck(place, oneKeyVerifier());
    const ask = hop.ask ?? { prompt: 0n, output: 0n };
    this.priced = { account: hop.account as Address, layers: hop.to - hop.from, ask };
  }

  /** Free hops are neither paid nor asked for receipts. */
  get isPaid(): boolean {
    return this.priced.ask.prompt > 0n || this.priced.ask.output > 0n;
  }

  overlaps({ from, to }: RouteHopMessage): boolean {
    return this.#hop.from < to && from < this.#hop.to;
  }

  get promised(): Work {
    return this.#promised;
  }

  /** Positions before this one are promised, to it or to those whose place it took. */
  get promisedTo(): number {
    return this.paidFrom + this.#promised.promptPositions + this.#promised.outputPositions;
  }

  /** It has signed for no more than these tokens can have been. */
  isWithin(tokens: number): boolean {
    return this.done.outputPositions + this.#unpaidOutput <= Math.max(tokens, this.#unpaidOutput);
  }

  /** Work that it has signed for. */
  get done(): Work {
    return this.newest?.receipt ?? { promptPositions: 0, outputPositions: 0 };
  }

  /**
   * Promises the next batch, if it is time: one chunk of the prompt on top of what is signed for; then up to `outputBatch` positions
   * on top of the `seen` ones, and not while it owes receipts for two batches. Says whether there is more to pay.
   */
  promiseNext(allSeen: number): boolean {
    if (!this.isReady) return false;
    const seen = Math.max(0, allSeen - this.#unpaidOutput);
    const { promptPositions, outputPositions } = this.#promised;
    const { prompt, chunk, maxOutput } = this.#asked;
    const nextPrompt = Math.min(prompt, this.done.promptPositions + chunk);
    let nextOutput = outputPositions;
    if (this.done.promptPositions === prompt && outputPositions - seen <= limits.outputRefill) {
      nextOutput = Math.min(maxOutput, seen + limits.outputBatch, this.done.outputPositions + 2 * limits.outputBatch);
    }
    this.#promised = {
      promptPositions: Math.max(promptPositions, nextPrompt),
      outputPositions: Math.max(outputPositions, nextOutput),
    };
    return this.#promised.promptPositions > promptPositions || this.#promised.outputPositions > outputPositions;
  }

  /** Takes a receipt whose signature is good. Throws `bad_message` for one that cannot be true, or that asks for too much. */
  receive(signed: ReceiptMessage): void {
    const { receipt } = signed;
    const { session, model, epoch, prompt } = this.#asked;
    const { account, layers, ask } = this.priced;
    const isOurs =
      receipt.session === session &&
      receipt.model === model &&
      receipt.epoch === epoch &&
      receipt.account === account &&
      receipt.fromLayer === this.#hop.from &&
      receipt.toLayer === this.#hop.to;
    if (!isOurs) throw new VesselError('bad_message', 'A hop signed a receipt for something else.');
    const before = this.newest?.receipt;
    const isNewer =
      !before ||
      (receipt.batch > before.batch &&
        receipt.promptPositions >= before.promptPositions &&
        receipt.outputPositions >= before.outputPositions);
    if (!isNewer) throw new VesselError('bad_message', 'A hop took an earlier receipt back.');
    const isWithin =
      receipt.promptPositions <= this.#promised.promptPositions &&
      receipt.outputPositions <= this.#promised.outputPositions &&
      (receipt.outputPositions === 0 || receipt.promptPositions === prompt);
    if (!isWithin) throw new VesselError('bad_message', 'A hop asks for more work than it was given.');
    if (receipt.amount !== hopPrice({ layers, ask }, receipt)) {
      throw new VesselError('bad_message', 'A hop asks for another price than agreed.');
    }
    this.newest = signed;
  }
}
