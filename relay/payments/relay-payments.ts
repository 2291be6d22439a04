/**
 * Money of one relay: what its HTTP askers pay, what their hops are promised and paid, and the vouchers that hops of other askers hand
 * in. The Ledger is written before anything leaves; every step towards the chain finds by itself how far it got.
 */
import { randomUUID } from 'node:crypto';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { NetworkTerms, PaymentMessage, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { answerReceiptHash } from '../../shared/receipts/answer-receipt.ts';
import type { Owed } from '../../shared/receipts/ask-payer.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { modelWord } from '../../shared/receipts/ids.ts';
import { type PricedHop, quote, type Share } from '../../shared/receipts/price.ts';
import type { Chain } from '../chain/chain.ts';
import type { CallBody } from '../chain/contract-calls.ts';
import type { ChainSender } from '../chain/sender.ts';
import { InTurn } from '../ledger/in-turn.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { type AnswerEvidence, answerEntry, answerPrice } from './answer-entry.ts';
import { watchChain } from './chain-watch.ts';
import { Collector } from './collector.ts';
import { CreditBook, type DigestSigner, requireWithin } from './credit-book.ts';
import { DirectVouchers, type EarnedMessage } from './direct-vouchers.ts';
import { keys, writeFact } from './facts.ts';
import { atRisk, type ForfeitOrder, forfeitCall } from './forfeits.ts';
import { type LeastAmounts, leastAmounts } from './least-amounts.ts';
import { ModelShares } from './model-shares.ts';
import { type FindSigner, PartyBook } from './party-book.ts';
import { defaultPaymentSettings, type PaymentSettings } from './payment-settings.ts';
import type { PaidAnswer, PayingParty, Payments, Reservation } from './payments.ts';
import { payFromPayroll } from './payouts.ts';
import { type EpochState, PayrollEpochs } from './payroll-epochs.ts';
import { perform, type Step } from './perform.ts';

export interface RelayPaymentsOptions {
  ledger: Ledger;
  chain: Chain;
  sender: ChainSender;
  operator: Address;
  /** The relay's hot key: signs payroll credits. */
  publisher: DigestSigner & { address: Address };
  /** Session keys that this relay holds. */
  findSigner: FindSigner;
  /** The dearest route that a session of this model can get now: its hops' layers and asks. */
  dearestRoute: (model: string) => readonly Omit<PricedHop, 'account'>[];
  settings?: Partial<PaymentSettings>;
  /** Wall clock, milliseconds. */
  now?: () => number;
  onTrouble?: (error: unknown) => void;
}

/** One session of an answer, as its payer hears of it. */
interface PaidSession {
  owed: Owed;
  payments: Map<Address, PaymentMessage>;
  receipts: ReceiptMessage[];
  hasEnded: boolean;
}

export class RelayPayments implements Payments {
  readonly terms: NetworkTerms;
  readonly #options: RelayPaymentsOptions;
  readonly #settings: PaymentSettings;
  readonly #now: () => number;
  readonly #credits: CreditBook;
  readonly #parties: PartyBook;
  readonly #shares: ModelShares;
  readonly #collector: Collector;
  readonly #epochs: PayrollEpochs;
  readonly #directs: DirectVouchers;
  /** Promises, charges and the closing of an epoch take turns: they read, sign and write. */
  readonly #books = new InTurn();
  /** Steps towards the chain, one at a time. */
  readonly #steps = new InTurn();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | null = null;

  private constructor(options: RelayPaymentsOptions, credits: CreditBook) {
    const { ledger, chain, sender, operator, publisher, findSigner } = options;
    const { addresses, place } = chain;
    this.#options = options;
    this.#settings = { ...defaultPaymentSettings, ...options.settings };
    this.#now = options.now ?? Date.now;
    this.#credits = credits;
    this.#shares = new ModelShares(chain, this.#now);
    this.#parties = new PartyBook({ ledger, chain, operator, findSigner, expiryMargin: this.#settings.expiryMargin });
    this.#collector = new Collector({ ledger, chain, sender, operator });
    this.#epochs = new PayrollEpochs({
      ledger,
      chain,
      sender,
      operator,
      collector: this.#collector,
      adopt: (credit, facts) => this.#books.run(() => credits.adopt(credit, facts)),
    });
    this.#directs = new DirectVouchers({
      ledger,
      chain,
      sender,
      operator,
      settings: this.#settings,
      least: () => this.#least(),
      shares: (model) => this.#shares.of(model),
    });
    this.terms = {
      chainId: place.chainId,
      aic: addresses.aic,
      ledger: addresses.ledger,
      payroll: addresses.payroll,
      accounts: addresses.accounts,
      asset: addresses.asset,
      registry: addresses.registry,
      operator,
      publisher: publisher.address.toLowerCase() as Address,
      ask: this.#settings.ask,
    };
  }

  /** Throws `forbidden` when the operator has not named the hot key as its publisher, `chain_unavailable` without a chain. */
  static async open(options: RelayPaymentsOptions): Promise<RelayPayments> {
    const { ledger, chain, operator, publisher } = options;
    const hot = publisher.address.toLowerCase() as Address;
    if (hot !== operator && (await chain.publisherOf(operator)) !== hot)
      throw new VesselError(
        'forbidden',
        `The operator ${operator} has not named ${hot} as its publisher (Payroll.setPublisher).`,
      );
    await ledger.write(`${keys.publishers}${hot}`, '');
    const payments = new RelayPayments(options, await CreditBook.open(ledger, chain.place, operator, publisher));
    await payments.#epochs.openEpoch();
    return payments;
  }

  /** Looks from now on by itself whether something is due. */
  start(): void {
    if (this.#timer) return;
    this.#timer = setInterval(() => void this.tick().catch((error) => this.#trouble(error)), this.#settings.tickMs);
    this.#timer.unref();
  }

  /** Ends the work under way at its next wait. What is open is taken up by the next start. */
  async close(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    this.#closing.abort(new VesselError('cancelled', 'The relay stops.'));
    await this.#steps.run(async () => undefined);
    await this.#books.run(async () => undefined);
  }

  shares(model: string): Promise<Share[]> {
    return this.#shares.of(modelWord(model));
  }

  async spentBy({ payer, sessionKey }: Pick<PayingParty, 'payer' | 'sessionKey'>): Promise<bigint> {
    return (await this.#parties.charge(payer, sessionKey))?.cumulative ?? 0n;
  }

  async quote(model: string, promptTokens: number, maxTokens: number): Promise<bigint> {
    const hops = this.#options.dearestRoute(model).map((hop) => ({ ...hop, account: this.#options.operator }));
    // The last token is drawn and not computed.
    return quote(hops, promptTokens, Math.max(0, maxTokens - 1), await this.shares(model));
  }

  available(party: PayingParty): Promise<bigint> {
    return this.#parties.available(party);
  }

  async reserve(party: PayingParty, { model, bound }: { model: string; bound: bigint }): Promise<Reservation> {
    const shares = await this.shares(model);
    await this.#books.run(() => this.#parties.hold(party, bound));
    const sessions = new Map<string, PaidSession>();
    let settled: Promise<PaidAnswer> | null = null;
    const pay = async (session: string, owed: Owed) => {
      if (settled) throw new VesselError('payment_required', 'This answer is settled already.');
      requireWithin(owedInAll(sessions, session, owed), bound);
      const payments = await this.#credits.promise(session, owed, await this.#epochs.openEpoch());
      const known = sessions.get(session) ?? {
        owed,
        payments: new Map<Address, PaymentMessage>(),
        receipts: [],
        hasEnded: false,
      };
      for (const [account, payment] of payments) known.payments.set(account, payment);
      sessions.set(session, { ...known, owed });
      return payments;
    };
    const end = async (session: string, receipts: readonly ReceiptMessage[], earned: Owed) => {
      this.#credits.end(session, earned);
      const known = sessions.get(session);
      if (known) Object.assign(known, { receipts: [...receipts], hasEnded: true });
      // Credits are not cut down: a hop that kept the higher one could cancel a root with it.
      return null;
    };
    return {
      payer: {
        source: { kind: 'credit', operator: this.#options.operator },
        bound,
        pay: (session, owed) => this.#books.run(() => pay(session, owed)),
        end: (session, receipts, earned) => this.#books.run(() => end(session, receipts, earned)),
      },
      settle: () => {
        settled ??= this.#books.run(() => this.#settle(party, sessions, shares)).finally(() => this.#parties.free(party, bound));
        return settled;
      },
    };
  }

  async #settle(party: PayingParty, sessions: ReadonlyMap<string, PaidSession>, shares: Share[]): Promise<PaidAnswer> {
    const price: PaidAnswer['price'] = { hops: [], shares: shares.map(() => 0n), total: 0n };
    const evidences: AnswerEvidence[] = [];
    for (const [session, { receipts, payments, owed }] of sessions) {
      const papers = { receipts: withinOwed(receipts, owed), shares };
      const one = answerPrice(papers);
      if (one.total === 0n) continue;
      price.hops.push(...one.hops);
      price.shares = price.shares.map((amount, index) => amount + one.shares[index]!);
      price.total += one.total;
      const charge = await this.#parties.signCharge(party, price.total);
      evidences.push({ session, ...papers, payments: [...payments.values()], charge });
    }
    const newest = evidences.at(-1)?.charge;
    if (newest)
      await this.#options.ledger.append(evidences.map(answerEntry), [
        [keys.charge(party.payer, party.sessionKey), writeFact(newest)],
      ]);
    const all = [...sessions.values()];
    const receipt = answerReceiptHash(
      all.flatMap(({ receipts }) => receipts),
      all.flatMap(({ payments }) => [...payments.values()]),
    );
    return { price, receipt };
  }

  /** What a hop hands in of an asker who pays by vouchers (`earned` on the presence socket). Throws `bad_message`, `payment_required`. */
  earned(message: EarnedMessage): Promise<void> {
    return this.#directs.earned(message);
  }

  /** Closes the epoch now, if anything is new, and goes on as far as the chain's clock lets it. */
  closeEpoch(): Promise<EpochState> {
    return this.#steps.run(async () => {
      const { signal } = this.#closing;
      await this.#epochs.advance(signal);
      await this.#books.run(() => this.#epochs.close(this.#credits, this.#now()));
      return this.#goOn();
    });
  }

  /** Goes on with whatever was begun: also after a crash. */
  advance(): Promise<EpochState> {
    return this.#steps.run(() => this.#goOn());
  }

  /** What the timer does: goes on, closes an epoch whose time is over, collects what would be lost by waiting. */
  async tick(): Promise<void> {
    const { ledger } = this.#options;
    await this.advance();
    const closedAtMs = Number((await ledger.read(keys.closedAtMs)) ?? 0);
    if (closedAtMs === 0) await ledger.write(keys.closedAtMs, `${this.#now()}`, null);
    else if (this.#now() - closedAtMs >= this.#settings.epochMs) await this.closeEpoch();
    await this.#steps.run(() => this.#collectEarly());
  }

  /** Books what others did on chain since it was last looked at. */
  catchUp(): Promise<void> {
    return this.#steps.run(async () => {
      await watchChain(this.#options.ledger, this.#options.chain, this.#options.operator);
      await this.#directs.catchUp();
    });
  }

  /** Wei of the account that a verdict can take at this moment: what the pending root adds and no verdict has taken. */
  atRisk(account: Address): Promise<bigint> {
    return this.#steps.run(async () => {
      await watchChain(this.#options.ledger, this.#options.chain, this.#options.operator);
      return atRisk({ ...this.#options, epochs: this.#epochs }, account);
    });
  }

  /** What the payroll's court has to send for this verdict. Throws `bad_request` when too little is at risk. */
  forfeitCall(order: ForfeitOrder): Promise<CallBody> {
    return forfeitCall({ ...this.#options, epochs: this.#epochs }, order);
  }

  /**
   * Carries out a verdict where the relay's key is the court: exactly once, however often it is called with the same verdict and
   * account. Throws `bad_request` when too little is at risk, `chain_unavailable` when the chain refuses it (NotCourt: see
   * `forfeitCall`).
   */
  forfeit(order: ForfeitOrder): Promise<void> {
    return this.#steps.run(async () => {
      const { ledger, chain, sender, operator } = this.#options;
      await watchChain(ledger, chain, operator);
      const step: Step = {
        id: `forfeit:${order.verdict}:${order.account}`,
        kind: 'forfeit',
        isDone: async () => (await ledger.read(keys.verdict(order.verdict, order.account))) !== null,
        body: () => this.forfeitCall(order),
      };
      await perform(ledger, sender, step, this.#closing.signal);
      await watchChain(ledger, chain, operator);
    });
  }

  /** The leaves of an epoch's root as JSON, from the moment it is closed; null for one that is not. */
  payrollFile(epoch: number): Promise<string | null> {
    return this.#epochs.file(epoch);
  }

  async #goOn(): Promise<EpochState> {
    const { ledger, chain, operator } = this.#options;
    const { signal } = this.#closing;
    const state = await this.#epochs.advance(signal);
    await watchChain(ledger, chain, operator);
    const parts = { ...this.#options, epochs: this.#epochs, minPayout: (await this.#least()).payout };
    if ((await payFromPayroll(parts, signal)) > 0) await watchChain(ledger, chain, operator);
    await this.#directs.catchUp();
    await this.#directs.claim(signal);
    await this.#directs.payOut(signal);
    return state;
  }

  /** Charges of authorizations whose claim window is about to end do not wait for the epoch. */
  async #collectEarly(): Promise<void> {
    const { ledger, chain } = this.#options;
    const { signal } = this.#closing;
    await this.#collector.run(signal);
    const due = await this.#collector.due();
    if (due.length === 0) return;
    const [window, now] = [await chain.claimWindow(), await chain.now()];
    const urgent = [];
    for (const charge of due) {
      const { expiry } = await chain.authorizationOf(charge.payer, charge.sessionKey);
      const left = expiry + window - now;
      if (left > 0 && left < this.#settings.collectMargin) urgent.push(charge);
    }
    if (urgent.length === 0) return;
    await ledger.append([], this.#collector.facts(`early-${randomUUID()}`, urgent));
    await this.#collector.run(signal);
  }

  #least(): Promise<LeastAmounts> {
    return leastAmounts(this.#options.chain, this.#settings);
  }

  #trouble(error: unknown): void {
    if (!this.#closing.signal.aborted) this.#options.onTrouble?.(error);
  }
}

/** In wei, what the sessions of one answer come to: ended ones by their receipts, the one that asks by what it asks. */
function owedInAll(sessions: ReadonlyMap<string, PaidSession>, session: string, owed: Owed): bigint {
  let sum = 0n;
  for (const amount of owed.values()) sum += amount;
  for (const [id, other] of sessions) {
    if (id === session) continue;
    if (other.hasEnded) for (const { receipt } of other.receipts) sum += receipt.amount;
    else for (const amount of other.owed.values()) sum += amount;
  }
  return sum;
}

/** An account is never charged for beyond what it was promised. */
function withinOwed(receipts: readonly ReceiptMessage[], owed: Owed): ReceiptMessage[] {
  const left = new Map(owed);
  return receipts.filter(({ receipt }) => {
    const rest = (left.get(receipt.account as Address) ?? 0n) - receipt.amount;
    if (rest < 0n) return false;
    left.set(receipt.account as Address, rest);
    return receipt.amount > 0n;
  });
}
