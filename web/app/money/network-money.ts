/** What this network says of money. The page asks once: terms change only when the relay starts again. */
import { z } from 'zod';
import { networkTermsSchema } from '../../../shared/protocol/payment-messages.ts';
import type { NetworkTerms } from '../../../shared/protocol/payment-types.ts';
import { relayFetch } from './relay-fetch.ts';

export interface NetworkMoney {
  terms: NetworkTerms;
  /** The chain is the relay's own: there is a faucet, and wallets reach it through the relay. */
  local: boolean;
}

const termsSchema = z.object({ terms: networkTermsSchema.nullable(), local: z.boolean() });
const retryMs = 5000;

/** null: nothing costs anything here. Asks again until there is an answer. */
export async function readNetworkMoney(): Promise<NetworkMoney | null> {
  for (;;) {
    try {
      const { terms, local } = await relayFetch('/v1/network/terms', termsSchema);
      return terms && { terms, local };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}
