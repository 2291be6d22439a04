/** Options of `vessel relay` about money, and what they mean. */
import { formatEther, parseUnits } from 'viem';
import type { Address } from '../../shared/receipts/hex.ts';
import { defaultPaymentSettings, type PaymentSettings } from '../payments/payment-settings.ts';
import { UsageError } from './command.ts';
import { parseCount } from './parse-options.ts';
import type { RemoteChainOptions } from './remote-chain.ts';

/** Prices are per million, so that they can be read; the smallest step is a wei for one. */
const millionDecimals = 12;
const { ask, epochMs, aicPerCoin, gasShare } = defaultPaymentSettings;
const perMillion = (wei: bigint) => formatEther(wei * 1_000_000n);

export const paymentUsage = `  --chain <rpc url>       work is paid on this chain, whose JSON-RPC is here; any EVM with the contracts of vessel chain deploy on it
                          (default: everything is free)
  --addresses <file>      where its contracts are (default: what vessel chain deploy wrote into the data folder)
  --confirmations <n>     blocks after which a transaction counts (default: 3)
  --operator <address>    whose payroll the relay's hot key publishes; it has named that key, Payroll.setPublisher (default: the one in
                          <data>/relay/operator, or the hot key itself)
  --domain <host>         name under which browsers reach this relay, with its port if it is not 443, may be repeated: wallets sign in to
                          these and to localhost
  --prompt-price <AIC>    what providers ask who name no price: for a million prompt tokens through one layer (default: ${perMillion(ask.prompt)})
  --output-price <AIC>    the same for a million tokens of answers (default: ${perMillion(ask.output)})
  --epoch <minutes>       from one payroll root to the next (default: ${epochMs / 60_000})
  --aic-per-coin <AIC>    what one whole coin of the chain is worth: payouts and claims wait until gas, at the price of the moment, costs at most
                          --gas-share of them; 0: gas is free (default: ${formatEther(aicPerCoin)})
  --gas-share <n>         in basis points (default: ${gasShare})
  --min-payout <AIC>      smallest payout and claim, whatever gas costs (default: by gas, as above)`;

export const paymentEnvironment = `With --chain: the hot key is <data>/relay/hot-key, made at the first start. It needs coins for gas, and AIC that covers what the payroll
promises before it is collected. DATABASE_URL puts the books into Postgres (default: <data>/relay/ledger).`;

export const paymentOptions = {
  chain: { type: 'string' },
  addresses: { type: 'string' },
  confirmations: { type: 'string' },
  operator: { type: 'string' },
  domain: { type: 'string', multiple: true },
  'prompt-price': { type: 'string' },
  'output-price': { type: 'string' },
  epoch: { type: 'string' },
  'aic-per-coin': { type: 'string' },
  'gas-share': { type: 'string' },
  'min-payout': { type: 'string' },
} as const;

export type PaymentValues = {
  [Name in Exclude<keyof typeof paymentOptions, 'domain'>]?: string | undefined;
} & { domain?: string[] | undefined };

export interface PaymentChoice {
  chain: RemoteChainOptions;
  settings: Partial<PaymentSettings>;
  domains: string[];
}

/** null without --chain. Throws UsageError for what is no amount, address or name, and for an option that --chain alone gives a meaning. */
export function readPaymentOptions(values: PaymentValues): PaymentChoice | null {
  const { chain: rpcUrl } = values;
  if (rpcUrl === undefined) {
    const idle = (Object.keys(paymentOptions) as (keyof PaymentValues)[]).find((name) => values[name] !== undefined);
    if (idle !== undefined) throw new UsageError(`--${idle} means something with --chain only`);
    return null;
  }
  if (!/^https?:\/\//.test(rpcUrl)) throw new UsageError(`--chain is an address such as https://…, not "${rpcUrl}"`);
  const { addresses, operator, domain = [] } = values;
  if (operator !== undefined && !/^0x[0-9a-fA-F]{40}$/.test(operator))
    throw new UsageError('--operator must be an address of 20 bytes in hex');
  return {
    chain: {
      rpcUrl,
      confirmations: parseCount(values.confirmations ?? '3', 'confirmations', 1, 1_000),
      ...(addresses === undefined ? {} : { addresses }),
      ...(operator === undefined ? {} : { operator: operator.toLowerCase() as Address }),
    },
    settings: readSettings(values),
    domains: domain.map(parseDomain),
  };
}

function readSettings(values: PaymentValues): Partial<PaymentSettings> {
  const amount = (name: keyof PaymentValues & keyof typeof paymentOptions, decimals: number) => {
    const text = values[name] as string | undefined;
    return text === undefined ? undefined : parseAmount(text, name, decimals);
  };
  const prompt = amount('prompt-price', millionDecimals);
  const output = amount('output-price', millionDecimals);
  const worth = amount('aic-per-coin', 18);
  const least = amount('min-payout', 18);
  const { epoch, 'gas-share': share } = values;
  return {
    ask: { prompt: prompt ?? ask.prompt, output: output ?? ask.output },
    ...(epoch === undefined ? {} : { epochMs: parseCount(epoch, 'epoch', 1, 60 * 24 * 30) * 60_000 }),
    ...(worth === undefined ? {} : { aicPerCoin: worth }),
    ...(share === undefined ? {} : { gasShare: parseCount(share, 'gas-share', 1, 10_000) }),
    ...(least === undefined ? {} : { minPayout: least, minClaim: least }),
  };
}

/** In units of 10^-decimals. */
function parseAmount(text: string, name: string, decimals: number): bigint {
  const parsed = new RegExp(`^[0-9]{1,12}(\\.[0-9]{1,${decimals}})?$`).test(text);
  if (!parsed) throw new UsageError(`--${name} is an amount of AIC with at most ${decimals} decimals, not "${text}"`);
  return parseUnits(text, decimals);
}

/** As the `Host` of a request has it. */
function parseDomain(text: string): string {
  if (/^[a-z0-9.-]+(:[0-9]{1,5})?$/i.test(text)) return text.toLowerCase();
  throw new UsageError(`--domain is a name such as vessel.example or vessel.example:8443, not "${text}"`);
}
