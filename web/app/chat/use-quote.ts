/** What the next answer can cost at most, asked of the relay once per step of length. */
import { useEffect, useState } from 'react';
import { z } from 'zod';
import { wei } from '../../../shared/protocol/payment-messages.ts';
import { relayFetch } from '../money/relay-fetch.ts';
import { useMoney } from '../money/use-money.tsx';

/** The prompt is only known to the tokenizer, so it is guessed, on the dear side, in steps. */
const charactersPerToken = 3;
const stepTokens = 128;

/** Wei; null in a free network, and until it is known. `characters` of the conversation so far. */
export function useQuote(model: string | null, characters: number, maxTokens: number): bigint | null {
  const isPaid = useMoney() !== null;
  const promptTokens = (Math.floor(characters / charactersPerToken / stepTokens) + 1) * stepTokens;
  const query =
    isPaid && model !== null
      ? new URLSearchParams({ model, prompt_tokens: `${promptTokens}`, max_tokens: `${maxTokens}` }).toString()
      : null;
  const [quote, setQuote] = useState<{ query: string; price: bigint } | null>(null);
  useEffect(() => {
    if (query === null) return;
    let isCurrent = true;
    relayFetch(`/v1/price?${query}`, z.object({ price: wei })).then(
      ({ price }) => isCurrent && setQuote({ query, price }),
      () => undefined,
    );
    return () => {
      isCurrent = false;
    };
  }, [query]);
  return quote !== null && quote.query === query ? quote.price : null;
}
