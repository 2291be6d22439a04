/** Who pays for a request: its API key's payer, or a payment that came with it. Everybody else gets a price and a way to pay. */
import { encodePaymentResponseHeader } from '@x402/core/http';
import { toVesselError } from '../../../shared/protocol/errors.ts';
import type { PayingParty } from '../../payments/payments.ts';
import type { HttpContext } from '../http-deps.ts';
import type { Money, SignedTransfer } from '../money.ts';
import { Bill } from './bill.ts';
import { aic, PaymentRequiredError } from './payment-required.ts';
import { readX402 } from './read-x402.ts';
import { x402Offer } from './x402-offer.ts';
import { type SettledPayment, X402Payments } from './x402-payment.ts';

/** What one answer may take. */
export interface PricedAsk {
  promptTokens: number;
  maxTokens: number;
}

export interface Checkout {
  /** The response must name the settlement in its headers, so `open` has to be over before they are sent. */
  readonly isX402: boolean;
  /** Holds the money, after settling a payment that came along. Its caller settles the bill. */
  open(): Promise<Bill>;
  /** Of the response, after `open`. */
  headers: Record<string, string>;
}

export class Cashier {
  readonly #money: Money;
  readonly #x402: X402Payments;
  readonly #clock: () => number;

  /** @param clock Unix time in milliseconds */
  constructor(money: Money, clock: () => number) {
    this.#money = money;
    this.#x402 = new X402Payments(money.x402);
    this.#clock = clock;
  }

  /**
   * @param model manifest CID
   * @throws PaymentRequiredError for a request that nobody pays for, before it takes anybody's place
   */
  async checkOut(c: HttpContext, model: string, asks: PricedAsk[]): Promise<Checkout> {
    const money = this.#money;
    const { payments } = money;
    const bounds = await Promise.all(asks.map(({ promptTokens, maxTokens }) => payments.quote(model, promptTokens, maxTokens)));
    const total = bounds.reduce((sum, bound) => sum + bound, 0n);
    const { origin, pathname } = new URL(c.req.url);
    const refuse: Refuse = (reason, cause) =>
      new PaymentRequiredError(reason, x402Offer(money, total, `${origin}${pathname}`, reason), cause);
    const reserve = (party: PayingParty) => Bill.reserve(payments, party, model, bounds);

    const header = c.req.header('payment-signature');
    if (header !== undefined) {
      const nowSeconds = Math.floor(this.#clock() / 1000);
      const transfer = await readX402(header, total, money, nowSeconds).catch((thrown) => {
        throw withOffer(thrown, refuse);
      });
      return this.#x402Checkout(transfer, reserve, refuse);
    }
    const { party } = c.get('caller');
    if (!party) {
      throw refuse(`This answer may cost up to ${aic(total)}: send an API key of an account with that much, or pay with x402.`);
    }
    const open = async () => {
      try {
        return new Bill(await reserve(party));
      } catch (thrown) {
        if (toVesselError(thrown).code !== 'payment_required') throw thrown;
        throw refuse(shortOf(total, await payments.available(party)), thrown);
      }
    };
    return { isX402: false, headers: {}, open };
  }

  #x402Checkout(transfer: SignedTransfer, reserve: Reserve, refuse: Refuse): Checkout {
    const { payments, x402 } = this.#money;
    const headers: Record<string, string> = {};
    const open = async () => {
      let payment: SettledPayment | null = null;
      try {
        const { sessionKey } = x402.gate()!;
        payment = await this.#x402.take(transfer);
        headers['payment-response'] = encodePaymentResponseHeader({
          success: true,
          transaction: payment.transaction,
          network: `eip155:${payments.terms.chainId}`,
          payer: transfer.from,
          amount: transfer.value.toString(),
        });
        const { end } = payment;
        const reservations = await reserve({ payer: transfer.from, sessionKey, spendLimit: null });
        return new Bill(reservations, ({ price }) => end(price > 0n));
      } catch (thrown) {
        await payment?.end(false);
        throw withOffer(thrown, refuse);
      }
    };
    return { isX402: true, headers, open };
  }
}

type Reserve = (party: PayingParty) => ReturnType<typeof Bill.reserve>;
type Refuse = (reason: string, cause?: unknown) => PaymentRequiredError;

function shortOf(needed: bigint, available: bigint): string {
  const room = available < needed ? aic(available) : 'less, as other answers are under way';
  return `This answer may cost up to ${aic(needed)} and this key can spend ${room}: deposit AIC and give the key a higher cap, lower max_tokens, or pay with x402.`;
}

function withOffer(thrown: unknown, refuse: Refuse): unknown {
  const error = toVesselError(thrown);
  return error.code === 'payment_required' ? refuse(error.message, error) : thrown;
}
