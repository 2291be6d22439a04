/**
 * Vouchers of askers who pay hops themselves (the SDK). Hops hand in the newest one with their receipt; the relay keeps those that some
 * payee still needs, and claims them in batches for everyone in them, when it is worth the gas or when their time runs out.
 */
import { keccak256, stringToHex } from 'viem';
import { verifySignature } from '../../sdk/net/device-key.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { PaymentMessage, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { isReceiptSigned } from '../../shared/receipts/device-signature.ts';
import { voucherDigest } from '../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { sessionWord } from '../../shared/receipts/ids.ts';
import { type Share, sharePrice } from '../../shared/receipts/price.ts';
import { recoverSigner } from '../../shared/receipts/secp-signature.ts';
import type { Voucher } from '../../shared/receipts/typed-data.ts';
import type { Chain } from '../chain/chain.ts';
import { callBody } from '../chain/contract-calls.ts';
import type { ChainSender } from '../chain/sender.ts';
import { InTurn } from '../ledger/in-turn.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { bestOf, DirectBook, prune } from './direct-book.ts';
import { type DirectFact, directFact, keys, readFact, receiptFact, writeFact } from './facts.ts';
import type { LeastAmounts } from './least-amounts.ts';
import { batchSize, type PaymentSettings } from './payment-settings.ts';
import { dueAccounts } from './payouts.ts';
import { perform } from './perform.ts';

export interface EarnedMessage {
  session: string;
  payment: PaymentMessage;
  receipt: ReceiptMessage;
}

type VoucherMessage = Extract<PaymentMessage, { kind: 'voucher' }>;

interface DirectParts {
  ledger: Ledger;
  chain: Chain;
  sender: ChainSender;
  operator: Address;
  settings: Pick<PaymentSettings, 'collectMargin'>;
  /** What is worth its gas now. */
  least: () => Promise<LeastAmounts>;
  /** Of a model, by the sha2-256 of its manifest. */
  shares: (model: Hex) => Promise<Share[]>;
}

export class DirectVouchers {
  readonly #parts: DirectParts;
  /** Records are read, changed and written. */
  readonly #turn = new InTurn();
  readonly #book: DirectBook;

  constructor(parts: DirectParts) {
    this.#parts = parts;
    this.#book = new DirectBook(parts.ledger, parts.chain);
  }

  /**
   * Takes what a hop hands in. Throws `bad_message` for papers that are not signed, `payment_required` for a voucher that leaves out the
   * network or an owner, or whose key nothing is set aside for. Credits need no claiming: they are in the relay's own books.
   */
  async earned({ session, payment, receipt }: EarnedMessage): Promise<void> {
    if (payment.kind === 'credit') return;
    const { chain } = this.#parts;
    const voucher = payment.voucher as Voucher;
    const sessionKey = recoverSigner(voucherDigest(chain.place, voucher), payment.signature as Hex);
    if (!sessionKey) throw new VesselError('bad_message', 'The voucher is not signed.');
    const isReceipt =
      receipt.receipt.session === sessionWord(session) && (await isReceiptSigned(chain.place, receipt, verifySignature));
    if (!isReceipt) throw new VesselError('bad_message', 'The receipt is not signed by its account, or is of another session.');
    const { cap, closed } = await chain.authorizationOf(voucher.payer, sessionKey);
    if (cap === 0n || closed)
      throw new VesselError('payment_required', 'Nothing is set aside for the key that signed this voucher.');
    const shares = await this.#parts.shares(receipt.receipt.model as Hex);
    await this.#turn.run(() => this.#keep(payment, sessionKey, session, receipt, shares));
  }

  async #keep(
    payment: VoucherMessage,
    sessionKey: Address,
    session: string,
    receipt: ReceiptMessage,
    shares: readonly Share[],
  ): Promise<void> {
    const { ledger } = this.#parts;
    const payer = payment.voucher.payer as Address;
    const record = await this.#book.read(payer, sessionKey);
    const vouchers = [...record.vouchers.filter(({ signature }) => signature !== payment.signature), payment];
    const best = bestOf(vouchers);
    if ((best.get(receipt.receipt.account as Address)?.cumulative ?? 0n) < receipt.receipt.amount)
      throw new VesselError('payment_required', 'The voucher holds less than the receipt says was earned.');
    const prefix = keys.directReceipts(payer, sessionKey, session);
    const key = `${prefix}${receipt.receipt.account}:${receipt.receipt.fromLayer}`;
    const before = new Map((await ledger.list(prefix)).map(([name, text]) => [name, readFact(receiptFact, text)]));
    const known = before.get(key);
    const isNewer = !known || known.receipt.amount < receipt.receipt.amount;
    const after = isNewer ? new Map(before).set(key, receipt) : before;
    const due = { ...record.due };
    for (const { account, basisPoints } of shares) {
      const added = sharePrice(computeOf(after.values()), basisPoints) - sharePrice(computeOf(before.values()), basisPoints);
      due[account] = (due[account] ?? 0n) + added;
      if ((best.get(account)?.cumulative ?? 0n) < due[account])
        throw new VesselError('payment_required', `The voucher leaves out what ${account} has to get: ${due[account]} wei.`);
    }
    const kept = prune({ ...record, vouchers, due });
    const facts: [string, string][] = [[keys.direct(payer, sessionKey), writeFact(kept)]];
    if (isNewer) facts.push([key, writeFact(receipt)]);
    await ledger.append([], facts);
  }

  /** Claims what is worth it, or what would be lost. Returns how many vouchers. */
  async claim(signal?: AbortSignal): Promise<number> {
    const { ledger, chain, settings } = this.#parts;
    const window = await chain.claimWindow();
    const now = await chain.now();
    const least = await this.#parts.least();
    const ready: DirectFact[] = [];
    for (const [, text] of await ledger.list(keys.directs)) {
      const record = readFact(directFact, text);
      const open = openAmount(record);
      if (open === 0n) continue;
      const { expiry } = await chain.authorizationOf(record.payer, record.sessionKey);
      if (open >= least.claim || expiry + window - now < settings.collectMargin) ready.push(record);
    }
    let claimed = 0;
    const items = ready.flatMap((record) => record.vouchers.map((voucher) => ({ record, voucher: voucher as VoucherMessage })));
    for (let start = 0; start < items.length; start += batchSize) {
      const batch = items.slice(start, start + batchSize);
      await this.#claimBatch(
        batch.map(({ voucher }) => voucher),
        signal,
      );
      const records = new Set(batch.map(({ record }) => record));
      for (const { payer, sessionKey } of records) await this.#turn.run(() => this.#book.bookClaimed(payer, sessionKey));
      claimed += batch.length;
    }
    return claimed;
  }

  #claimBatch(batch: readonly VoucherMessage[], signal?: AbortSignal): Promise<void> {
    const { ledger, sender } = this.#parts;
    return perform(
      ledger,
      sender,
      {
        // The same vouchers are the same step, before and after a crash.
        id: `direct:${keccak256(stringToHex(batch.map(({ signature }) => signature).join()))}`,
        kind: 'collect',
        isDone: async () => false,
        body: async () =>
          callBody('ledger', 'claimBatch', [
            batch.map(({ voucher }) => voucher as Voucher),
            batch.map(({ signature }) => signature as Hex),
          ]),
      },
      signal,
    );
  }

  /** Books what others did on chain. */
  catchUp(): Promise<void> {
    return this.#turn.run(() => this.#book.catchUp());
  }

  /** Pays out what was claimed, to payout addresses. Returns how many accounts. */
  async payOut(signal?: AbortSignal): Promise<number> {
    const { ledger, chain, sender, operator, least } = this.#parts;
    const due = await dueAccounts(ledger, 'direct:', (await least()).payout);
    if (due.length === 0) return 0;
    const records = (await ledger.list(keys.directs)).map(([, text]) => readFact(directFact, text));
    let paid = 0;
    for (const payee of due) {
      if (payee === operator || (await chain.payoutOf(payee)) === null) continue;
      const mine = records.filter(({ claimed, paidOut }) => (claimed[payee] ?? 0n) > (paidOut[payee] ?? 0n)).slice(0, batchSize);
      const channels = mine.map(({ payer, sessionKey }) => ({ payer, sessionKey }));
      const state = mine.map(({ payer, sessionKey, claimed }) => `${payer}${sessionKey}${claimed[payee]}`).join();
      await perform(
        ledger,
        sender,
        {
          id: `payout:${payee}:${keccak256(stringToHex(state))}`,
          kind: 'payout',
          isDone: async () => {
            for (const { payer, sessionKey, claimed } of mine)
              if ((await chain.channelOf(payer, sessionKey, payee)).paidOut < claimed[payee]!) return false;
            return true;
          },
          body: async () => callBody('ledger', 'payOut', [payee, channels]),
        },
        signal,
      );
      for (const { payer, sessionKey } of channels) await this.#turn.run(() => this.#book.bookPaidOut(payer, sessionKey, payee));
      paid += 1;
    }
    return paid;
  }
}

function openAmount(record: DirectFact): bigint {
  let sum = 0n;
  for (const [payee, { cumulative }] of bestOf(record.vouchers)) {
    const claimed = record.claimed[payee] ?? 0n;
    if (cumulative > claimed) sum += cumulative - claimed;
  }
  return sum;
}

function computeOf(receipts: Iterable<ReceiptMessage>): bigint {
  let sum = 0n;
  for (const { receipt } of receipts) sum += receipt.amount;
  return sum;
}
