/** The HTTP API in a paid network: an asker that pays as it goes, and a key whose payer has a balance. */
import type { AskIdsFunction } from '../shared/protocol/asking.ts';
import type { Address } from '../shared/receipts/hex.ts';
import type { Ask } from '../shared/receipts/price.ts';
import { type FakeMoneyOptions, fakeMoney } from './fake-money.ts';
import { testTerms } from './fake-payments.ts';
import { type HttpRelayOptions, httpRelay } from './http-relay.ts';

export const testParty = { payer: `0x${'4'.repeat(40)}`, sessionKey: `0x${'5'.repeat(40)}`, spendLimit: null } as const;
const hop: Address = `0x${'3'.repeat(40)}`;

export interface PaidRelayOptions extends Pick<HttpRelayOptions, 'before' | 'answer' | 'settings'> {
  /** Of the key that `bearer` names. */
  balance?: bigint;
  money?: FakeMoneyOptions;
}

export async function paidRelay({ balance = 0n, money: moneyOptions, ...options }: PaidRelayOptions = {}) {
  const fake = await fakeMoney(moneyOptions);
  const { payments } = fake;
  const source = await httpRelay(options);
  const relay = await httpRelay({ ...options, deps: { money: fake.money, askIds: payingAsker(source.asker.askIds) } });
  const { payer, sessionKey } = testParty;
  payments.give(payer, sessionKey, balance);
  const payment = { payer, sessionKey, cap: balance.toString(), expiry: 2_000_000_000, spendLimit: null, isAuthorized: true };
  const { key, secret } = await relay.keys.create({ name: 'paid', payment });
  const bearer = { headers: { authorization: `Bearer ${secret}` } };
  return { ...fake, relay, post: relay.post, asker: source.asker, bearer, keyId: key.id };
}

/** Pays one hop as asked. */
export function payingAsker(askIds: AskIdsFunction, ask: Ask = testTerms.ask): AskIdsFunction {
  return async function* (request) {
    const { payer, promptIds } = request;
    let session = '';
    let tokens = 0;
    try {
      for await (const event of askIds(request)) {
        if (event.type === 'route') session = event.session;
        if (event.type === 'token') tokens++;
        if (event.type !== 'done')
          await payer?.pay(session, new Map([[hop, BigInt(promptIds.length) * ask.prompt + BigInt(tokens) * ask.output]]));
        yield event;
      }
    } finally {
      await payer?.end(session, [], new Map());
    }
  };
}
