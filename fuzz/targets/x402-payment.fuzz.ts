/** A PAYMENT-SIGNATURE header: JSON is sent in base64 as clients do, other text as it is. */
import { readX402 } from '../../relay/http/payment/read-x402.ts';
import { fakeMoney } from '../../testing/fake-money.ts';
import { testTerms } from '../../testing/fake-payments.ts';
import type { TextTarget } from '../engine/target.ts';
import { at } from '../samples/message-samples.ts';

const { money } = await fakeMoney({
  overrides: { wallets: { verifyMessage: async () => true, verifyDigest: async () => true } },
});
const network = `eip155:${testTerms.chainId}`;
const payment = {
  x402Version: 2,
  accepted: { scheme: 'exact', network, amount: '1000', asset: testTerms.aic, payTo: at('6'), maxTimeoutSeconds: 300, extra: {} },
  payload: {
    signature: `0x${'12'.repeat(65)}`,
    authorization: {
      from: at('4'),
      to: at('6'),
      value: '1000',
      validAfter: '0',
      validBefore: '2000000000',
      nonce: `0x${'01'.repeat(32)}`,
    },
  },
};

export const target: TextTarget = {
  name: 'x402-payment',
  form: 'json',
  maxLength: 12 * 1024,
  seeds: [JSON.stringify(payment), Buffer.from(JSON.stringify(payment)).toString('base64'), ''],
  refusals: ['payment_required'],
  async decode(text) {
    const header = text.startsWith('{') ? Buffer.from(text).toString('base64') : text;
    const { value } = await readX402(header, 500n, money, 1_770_000_000);
    if (value < 500n) throw new Error('paid too little');
    return 'paid';
  },
};
