/**
 * The paying of one session: promises each hop its next batch, checks what the hops sign for it, and says in the end what it cost.
 * At no moment is more than one batch per hop promised and not worked for.
 */
import type { AnswerPaid } from '../../shared/protocol/asking.ts';
import { equalBytes } from '../../shared/protocol/bytes.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { emptyHistory, extendHistory } from '../../shared/protocol/history.ts';
import type { OpenMessage } from '../../shared/protocol/order-messages.ts';
import type { NetworkTerms, PaymentMessage, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { answerReceiptHash } from '../../shared/receipts/answer-receipt.ts';
import { isReceiptSigned } from '../../shared/receipts/device-signature.ts';
import { fromHex } from '../../shared/receipts/eip712.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { modelWord, sessionWord } from '../../shared/receipts/ids.ts';
import { priceOf, quote, type Share } from '../../shared/receipts/price.ts';
import type { MatchedRoute } from '../ask-ports.ts';
import { verifySignature } from '../net/device-key.ts';
import type { AskPayer } from './ask-payer.ts';
import { HopAccount } from './hop-account.ts';

export interface SessionPayingFields {
  route: MatchedRoute;
  terms: NetworkTerms;
  payer: AskPayer;
  promptIds: readonly number[];
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
  readonly #hops: HopAccount[];
  readonly #shares: readonly Share[];
  /** Hash of the tokens before each position, as far as it is known. */
  readonly #histories: Uint8Array[] = [emptyHistory];
  readonly #payments = new Map<Address, PaymentMessage>();
  #tokens = 0;
  #isOver = false;
  #failure: VesselError | null = null;
  /** Promises and checks happen one after the other. */
  #tail: Promise<void> = Promise.resolve();

  constructor(fields: SessionPayingFields) {
    const { route, promptIds, maxTokens, epoch } = fields;
    this.#fields = fields;
    this.#shares = route.shares ?? [];
    const asked = {
      session: sessionWord(route.session),
      model: modelWord(route.model),
      epoch,
      prompt: promptIds.length,
      maxOutput: maxTokens - 1,
    };
    this.#hops = route.hops.map((hop) => new HopAccount(hop, asked));
    for (const id of promptIds) this.#extend(id);
  }

  /** Something has been promised. */
  get hasPaid(): boolean {
    return this.#payments.size > 0;
  }

  /** What `open` tells this hop. */
  offer(index: number): OpenMessage['payment'] {
    const { isPaid, priced } = this.#hops[index]!;
    return isPaid ? { source: this.#fields.payer.source, ask: priced.ask } : undefined;
  }

  /** Pays the first batch. Rejects with `payment_required`. */
  begin(): Promise<void> {
    return this.#inTurn(() => this.#payNext());
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
      if (!(await isReceiptSigned(this.#fields.terms, signed, verifySignature))) {
        throw new VesselError('bad_message', 'A receipt is not signed by the account it is for.');
      }
      hop.receive(signed);
      this.#requireHistory(signed);
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
    const tooMany = works.some(({ outputPositions }) => outputPositions > this.#tokens);
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
  #requireHistory({ receipt }: ReceiptMessage): void {
    const known = this.#histories[receipt.promptPositions + receipt.outputPositions];
    // A receipt can be faster than the token it is about; the next one, or the last, has the same chain of hashes in it.
    if (!known || equalBytes(fromHex(receipt.commitment, 32).subarray(0, known.length), known)) return;
    throw new VesselError('bad_message', 'A hop signed for other tokens than these.');
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
