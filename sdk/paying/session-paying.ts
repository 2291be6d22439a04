/**
 * The paying of one session: promises each hop its next batch, checks what the hops sign for it, and says in the end what it cost.
 * At no moment is more than one batch per hop promised and not worked for.
 */
import type { AnswerPaid } from '../../shared/protocol/asking.ts';
import { equalBytes } from '../../shared/protocol/bytes.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { emptyHistory, extendHistory } from '../../shared/protocol/history.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { OpenMessage } from '../../shared/protocol/order-messages.ts';
import type { NetworkTerms, PaymentMessage, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { answerReceiptHash } from '../../shared/receipts/answer-receipt.ts';
import { fromHex } from '../../shared/receipts/eip712.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { modelWord, sessionWord } from '../../shared/receipts/ids.ts';
import { priceOf, quote, type Share } from '../../shared/receipts/price.ts';
import type { MatchedRoute } from '../ask-ports.ts';
import type { AskPayer } from './ask-payer.ts';
import { type AskedWork, HopAccount, workFrom } from './hop-account.ts';

export interface SessionPayingFields {
  route: MatchedRoute;
  terms: NetworkTerms;
  payer: AskPayer;
  /** Null: a service, whose orders come one by one (`order`, `answered`). */
  promptIds: readonly number[] | null;
  maxTokens: number;
  epoch: number;
  send: (peer: string, payment: PaymentMessage) => void;
  onFailed: (error: VesselError) => void;
}

/** What the answer may cost at most, in wei. */
export function quoteRoute({ hops, shares = [] }: MatchedRoute, prompt: number, maxTokens: number): bigint {
  const priced = hops.flatMap(({ account, from, to, ask }) =>
    ask ? [{ account: account as Address, layers: to - from, ask }] : [],
  );
  return quote(priced, prompt, Math.max(0, maxTokens - 1), shares);
}

export class SessionPaying {
  readonly #fields: SessionPayingFields;
  readonly #asked: AskedWork;
  /** Hops of the route, in order. */
  #route: HopAccount[];
  /** Hops that were lost: they keep what they have earned. */
  readonly #lost: HopAccount[] = [];
  readonly #shares: readonly Share[];
  /** Hash of the tokens before each position, as far as it is known; of a service: of the orders, where one has ended. */
  readonly #histories: Uint8Array[] = [emptyHistory];
  readonly #payments = new Map<Address, PaymentMessage>();
  #tokens = 0;
  #isOver = false;
  #failure: VesselError | null = null;
  /** Promises and checks happen one after the other. */
  #tail: Promise<void> = Promise.resolve();

  constructor(fields: SessionPayingFields) {
    const { route, terms, promptIds, maxTokens, epoch } = fields;
    this.#fields = fields;
    this.#shares = route.shares ?? [];
    this.#asked = {
      session: sessionWord(route.session),
      model: modelWord(route.model),
      epoch,
      prompt: promptIds?.length ?? 0,
      // An order is one batch, however large.
      chunk: promptIds ? limits.prefillChunk : Number.POSITIVE_INFINITY,
      maxOutput: maxTokens - 1,
    };
    this.#route = route.hops.map((hop) => new HopAccount(hop, this.#asked, terms));
    for (const id of promptIds ?? []) this.#extend(id);
  }

  /** Something has been promised. */
  get hasPaid(): boolean {
    return this.#payments.size > 0;
  }

  /** What `open` tells this hop. */
  offer(index: number): OpenMessage['payment'] {
    const { isPaid, priced } = this.#route[index]!;
    return isPaid ? { source: this.#fields.payer.source, ask: priced.ask } : undefined;
  }

  /** Positions below this one are not paid to this hop. */
  paidFrom(index: number): number {
    return this.#route[index]!.paidFrom;
  }

  /**
   * Other hops have taken the place of some. Nothing is paid twice: a new one is paid from where the promises to those before it end,
   * and from `known` at least, up to which it only rebuilds. It is promised nothing before `go`.
   */
  replace(hops: MatchedRoute['hops'], epoch: number, known: number): void {
    const before = new Map(this.#route.map((hop) => [hop.peer, hop]));
    const stays = new Set(hops.map(({ provider }) => provider));
    const gone = this.#route.filter(({ peer }) => !stays.has(peer));
    for (const hop of gone) hop.isReady = false;
    this.#lost.push(...gone);
    this.#route = hops.map((hop) => {
      const account = before.get(hop.provider);
      if (account) return account;
      const promised = gone.filter((lost) => lost.overlaps(hop)).map(({ promisedTo }) => promisedTo);
      const positions = Math.max(known, ...promised);
      const output = Math.max(0, positions - this.#asked.prompt);
      const fresh = new HopAccount(hop, workFrom(this.#asked, positions, epoch), this.#fields.terms, { positions, output });
      fresh.isReady = false;
      return fresh;
    });
  }

  /** Every hop is open. */
  go(): void {
    for (const hop of this.#route) hop.isReady = true;
    if (this.hasPaid) this.#topUp();
  }

  get #hops(): HopAccount[] {
    return [...this.#route, ...this.#lost];
  }

  /** Pays the first batch. Rejects with `payment_required`. */
  begin(): Promise<void> {
    return this.#inTurn(() => this.#payNext());
  }

  /** Pays a service for its next order, of so many positions at most. Rejects with `payment_required`. */
  order(most: number): Promise<void> {
    return this.#inTurn(() => {
      this.#asked.prompt += most;
      return this.#payNext();
    });
  }

  /** The order was `positions` and not `most`; up to there the session's orders have this hash. */
  answered(most: number, positions: number, history: Uint8Array): void {
    // After its promise, and before the receipt that follows it.
    this.#attempt(async () => {
      this.#asked.prompt += positions - most;
      if (positions > 0) this.#histories[this.#asked.prompt] = history;
    });
  }

  token(id: number): void {
    this.#tokens++;
    this.#extend(id);
    this.#topUp();
  }

  receipt(peer: string, signed: ReceiptMessage): void {
    const hop = this.#hops.find((other) => other.peer === peer && other.isPaid);
    if (!hop) return;
    this.#attempt(async () => {
      if (!(await hop.check.signed(signed))) {
        throw new VesselError('bad_message', 'A receipt is not signed by the account it is for.');
      }
      hop.receive(signed);
      this.#requireHistory(signed, hop.paidFrom);
    });
    this.#topUp();
  }

  closed(peer: string): void {
    // After the receipts that came before it.
    this.#attempt(async () => {
      const hop = this.#hops.find((other) => other.peer === peer);
      if (hop) hop.isClosed = true;
    });
  }

  /** The session is over: nothing more is promised. Ends the payer's part, and says what the answer cost by what the hops signed. */
  async finish(): Promise<AnswerPaid> {
    this.#isOver = true;
    await this.#inTurn(async () => undefined).catch(() => undefined);
    const { payer, route } = this.#fields;
    const works = this.#hops.map(({ done }) => done);
    // A hop that overstates is found out here at the latest: there were no more tokens to compute.
    const tooMany = this.#hops.some((hop) => !hop.isWithin(this.#tokens));
    const price = priceOf(
      this.#hops.map(({ priced }) => priced),
      works,
      this.#shares,
    );
    const receipts = this.#hops.flatMap(({ newest }) => newest ?? []);
    const settled = await payer.end(route.session, receipts, this.#earned(price));
    for (const { peer, priced, isPaid } of this.#hops) {
      const settlement = isPaid && settled ? settled.get(priced.account) : undefined;
      if (settlement) this.#fields.send(peer, settlement);
    }
    if (this.#failure) throw this.#failure;
    if (tooMany) throw new VesselError('bad_message', 'A hop signed for more tokens than there were.');
    const payments = [...new Set(this.#payments.values())];
    return { price, receipt: answerReceiptHash(receipts, payments) };
  }

  /** Accounts all of whose hops have said their last word; shares follow from all hops. */
  #earned(price: { hops: bigint[]; shares: bigint[] }): Map<Address, bigint> {
    const open = new Set(this.#hops.flatMap(({ isPaid, isClosed, priced }) => (isPaid && !isClosed ? priced.account : [])));
    const earned = new Map<Address, bigint>();
    const add = (account: Address, amount: bigint) => earned.set(account, (earned.get(account) ?? 0n) + amount);
    for (const [index, { priced }] of this.#hops.entries()) add(priced.account, price.hops[index]!);
    for (const [index, { account }] of this.#shares.entries()) add(account, price.shares[index]!);
    for (const account of open) earned.delete(account);
    if (open.size > 0) for (const { account } of this.#shares) earned.delete(account);
    return earned;
  }

  #topUp(): void {
    this.#attempt(() => this.#payNext());
  }

  async #payNext(): Promise<void> {
    if (this.#isOver) return;
    const seen = Math.max(0, this.#tokens - 1);
    const due = this.#hops.filter((hop) => hop.isPaid && hop.promiseNext(seen));
    if (due.length === 0) return;
    const { payer, route, send } = this.#fields;
    const { hops, shares } = priceOf(
      this.#hops.map(({ priced }) => priced),
      this.#hops.map(({ promised }) => promised),
      this.#shares,
    );
    const owed = new Map<Address, bigint>();
    const add = (account: Address, amount: bigint) => owed.set(account, (owed.get(account) ?? 0n) + amount);
    for (const [index, { priced, isPaid }] of this.#hops.entries()) if (isPaid) add(priced.account, hops[index]!);
    for (const [index, { account }] of this.#shares.entries()) add(account, shares[index]!);
    const payments = await payer.pay(route.session, owed);
    for (const [account, payment] of payments) this.#payments.set(account, payment);
    for (const { peer, priced } of due) {
      const payment = payments.get(priced.account);
      if (payment) send(peer, payment);
    }
  }

  /** A receipt stands for these tokens and no others. */
  #requireHistory({ receipt }: ReceiptMessage, paidFrom: number): void {
    const known = this.#histories[paidFrom + receipt.promptPositions + receipt.outputPositions];
    // A receipt can be faster than the token it is about; the next one, or the last, has the same chain of hashes in it.
    if (!known && this.#fields.promptIds) return;
    if (known && equalBytes(fromHex(receipt.commitment, 32).subarray(0, known.length), known)) return;
    throw new VesselError('bad_message', 'A hop signed for other work than it did.');
  }

  #extend(id: number): void {
    this.#histories.push(extendHistory(this.#histories.at(-1)!, [id]));
  }

  #attempt(work: () => Promise<void>): void {
    this.#inTurn(work).catch((thrown) => {
      this.#isOver = true;
      this.#failure ??= toVesselError(thrown);
      this.#fields.onFailed(this.#failure);
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(work);
    this.#tail = done.catch(() => undefined);
    return done;
  }
}
