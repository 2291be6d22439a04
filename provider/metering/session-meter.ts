/**
 * What one paid session has done on this hop: positions, their price, and a signed receipt after every batch, which is a prefill
 * chunk or `outputBatch` positions after the prompt (SPEC PY4–PY8).
 */
import type { Clock } from '../../shared/protocol/clock.ts';
import { emptyHistory } from '../../shared/protocol/history.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { OpenMessage } from '../../shared/protocol/order-messages.ts';
import type { PaymentMessage, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { type DigestSigner, signReceipt } from '../../shared/receipts/device-signature.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { historyWord, modelWord, sessionWord } from '../../shared/receipts/ids.ts';
import { type Ask, hopPrice, type Work } from '../../shared/receipts/price.ts';
import type { ChainPlace } from '../../shared/receipts/typed-data.ts';
import type { Earned } from './metering-ports.ts';
import type { SourceCover } from './source-cover.ts';

/** What is metered: one hop's part of a session. */
export type MeteredOpen = Pick<OpenMessage, 'session' | 'model' | 'from' | 'to' | 'epoch' | 'payment'>;

export interface SessionMeterFields {
  open: MeteredOpen;
  ask: Ask;
  account: Address;
  place: ChainPlace;
  cover: SourceCover;
  signer: DigestSigner;
  /** Sends the asker a receipt. */
  onReceipt: (receipt: ReceiptMessage) => void;
  onEarned: (earned: Earned) => void;
  clock: Clock;
}

export class SessionMeter {
  readonly #fields: SessionMeterFields;
  /** Computed. */
  readonly #done: Work = { promptPositions: 0, outputPositions: 0 };
  /** What the newest receipt is about. */
  #receipted: Work = { promptPositions: 0, outputPositions: 0 };
  #history: Uint8Array = emptyHistory;
  #batch = 0;
  /** Settles when the step before is computed; and what settles it, for each step that is not. */
  #before: Promise<void> = Promise.resolve();
  readonly #steps: (() => void)[] = [];
  #signing: Promise<ReceiptMessage | null> = Promise.resolve(null);
  readonly #state = { isOver: false };
  #ended: Promise<void> | null = null;
  /** Hands in what was earned, once: when the asker has settled, or has not in time. */
  #handIn: (() => void) | null = null;

  constructor(fields: SessionMeterFields) {
    this.#fields = fields;
  }

  /** Money for the next batch; after the end, the promise cut down to what was used. Throws when it is not good. */
  async pay(payment: PaymentMessage): Promise<void> {
    await this.#fields.cover.accept(payment);
    this.#handIn?.();
  }

  /** Money may still be settled: the session is over, and what it earned is not handed in. */
  get isSettling(): boolean {
    return this.#handIn !== null;
  }

  /**
   * Resolves, in the order of calls, when `count` more positions are paid for. Each call is followed by `computed`, with as many
   * positions or fewer, or by the end of the session. Rejects with `payment_required` or `cancelled`.
   * The wait for money begins when the step before is computed: its receipt is what the money comes for.
   */
  async cover(count: number, isOutput: boolean): Promise<void> {
    const before = this.#before;
    this.#before = new Promise((resolve) => {
      this.#steps.push(resolve);
    });
    await before;
    const next = { ...this.#done };
    add(next, count, isOutput);
    await this.#fields.cover.cover(this.#fields.open.session, this.#price(next), this.#state);
  }

  /** `count` more positions are computed, which brings the session to `history`. */
  computed(count: number, isOutput: boolean, isPromptEnd: boolean, history: Uint8Array): void {
    if (this.#state.isOver) return;
    this.#steps.shift()?.();
    add(this.#done, count, isOutput);
    this.#history = history;
    const chunk = this.#done.promptPositions - this.#receipted.promptPositions;
    const tokens = this.#done.outputPositions - this.#receipted.outputPositions;
    if (isPromptEnd || chunk >= limits.prefillChunk || tokens >= limits.outputBatch) this.#sign();
  }

  /** Nothing more is computed: signs the rest, keeps the books. Resolves when the last receipt is on its way. */
  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    this.#state.isOver = true;
    for (const step of this.#steps) step();
    const { cover, open } = this.#fields;
    cover.wake();
    const { promptPositions, outputPositions } = this.#receipted;
    if (this.#done.promptPositions > promptPositions || this.#done.outputPositions > outputPositions) this.#sign();
    const receipt = await this.#signing.catch(() => null);
    await cover.settle(open.session, this.#price(this.#done), receipt);
    if (receipt) this.#handInSoon(receipt);
  }

  #handInSoon(receipt: ReceiptMessage): void {
    const { cover, open, onEarned, clock } = this.#fields;
    const handIn = () => {
      cancel();
      this.#handIn = null;
      const earned = cover.earned(open.session, receipt);
      if (earned) onEarned(earned);
    };
    const cancel = clock.after(limits.settleWaitMs, handIn);
    this.#handIn = handIn;
  }

  #price(work: Work): bigint {
    const { open, ask } = this.#fields;
    return hopPrice({ layers: open.to - open.from, ask }, work);
  }

  /** Receipts leave in their order, whatever the key store does. */
  #sign(): void {
    const { open, account, place, signer, onReceipt } = this.#fields;
    this.#receipted = { ...this.#done };
    const receipt = {
      session: sessionWord(open.session),
      model: modelWord(open.model),
      account,
      fromLayer: open.from,
      toLayer: open.to,
      batch: this.#batch++,
      epoch: open.epoch,
      ...this.#done,
      amount: this.#price(this.#done),
      commitment: historyWord(this.#history),
    };
    this.#signing = Promise.all([signReceipt(place, receipt, signer), this.#signing]).then(([signed]) => {
      onReceipt(signed);
      return signed;
    });
    this.#signing.catch(() => undefined);
  }
}

function add(work: Work, count: number, isOutput: boolean): void {
  if (isOutput) work.outputPositions += count;
  else work.promptPositions += count;
}
