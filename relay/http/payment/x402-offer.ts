/** What this relay offers to whoever pays a single request: AIC by a signed transfer (x402 v2, scheme `exact`), into their own escrow. */
import type { PaymentRequired, PaymentRequirements } from '@x402/core/types';
import { httpLimits } from '../http-limits.ts';
import type { Money } from '../money.ts';

/** null as long as no gate is open. */
export function x402Requirements({ payments, x402 }: Money, amount: bigint): PaymentRequirements | null {
  const gate = x402.gate();
  if (!gate) return null;
  const { chainId, aic } = payments.terms;
  return {
    scheme: 'exact',
    network: `eip155:${chainId}`,
    amount: amount.toString(),
    asset: aic,
    payTo: gate.address,
    maxTimeoutSeconds: httpLimits.x402Seconds,
    extra: { ...x402.token },
  };
}

/** @param url of the request, without its query */
export function x402Offer(money: Money, amount: bigint, url: string, reason: string): PaymentRequired | null {
  const requirements = x402Requirements(money, amount);
  if (!requirements) return null;
  return {
    x402Version: 2,
    error: reason,
    resource: {
      url,
      description: 'One answer. The amount is an upper bound: what is not used stays yours, in your escrow.',
      mimeType: 'application/json',
    },
    accepts: [requirements],
  };
}
