import { z } from 'zod';
import type { HttpDeps } from '../http-deps.ts';
import type { Route } from './route.ts';

/** NetworkTerms, as JSON writes them. */
const jsonTermsSchema = z.strictObject({
  chainId: z.number().int(),
  aic: z.string(),
  ledger: z.string(),
  payroll: z.string(),
  accounts: z.string(),
  asset: z.string(),
  registry: z.string(),
  operator: z.string(),
  publisher: z.string(),
  ask: z.strictObject({ prompt: z.string(), output: z.string() }),
});
const termsSchema = z.strictObject({
  /** null: nothing costs anything here. Amounts in wei, decimal. */
  terms: jsonTermsSchema.nullable(),
  /** The chain is this relay's own, for trying things out: there is a faucet. */
  local: z.boolean(),
  /** Where signed transfers (x402) become escrow that this relay may draw on. */
  gate: z.string().nullable(),
});

export function networkTerms({ money }: HttpDeps): Route {
  return {
    method: 'get',
    path: '/v1/network/terms',
    summary: 'Chain, contracts and what providers ask by default',
    access: 'open',
    response: { description: 'The terms', contentType: 'application/json', schema: termsSchema },
    handle: (c) => {
      const terms = money?.payments.terms;
      const body: z.infer<typeof termsSchema> = {
        terms: terms ? { ...terms, ask: { prompt: terms.ask.prompt.toString(), output: terms.ask.output.toString() } } : null,
        local: money?.faucet != null,
        gate: money?.x402.gate()?.address ?? null,
      };
      return c.json(body);
    },
  };
}
