/**
 * Reads the chain for metering by plain JSON-RPC: three views, so no library for contracts is loaded into a worker. The node asked is the
 * relay's (`/v1/chain`) unless the provider names its own, which then need not be believed.
 */
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { NetworkTerms } from '../../shared/protocol/payment-types.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { parsePayroll } from '../../shared/receipts/payroll-file.ts';
import type { AuthorizationState, CoverageReader, PayrollState } from './metering-ports.ts';

/** First four bytes of keccak256 of the signatures in IComputeLedger and IPayroll; `rpc-coverage.test.ts` compares them with the ABIs. */
export const selectors = {
  authorizationOf: '0x0ca2688a',
  channelOf: '0xc169dac7',
  currentOf: '0x0786cc7b',
  paidOf: '0xe5fc31a1',
} as const;

export interface RpcCoverageOptions {
  /** The relay's HTTP address. */
  relayUrl: string;
  /** JSON-RPC of a node; default: the relay's. */
  rpcUrl?: string;
  terms: () => NetworkTerms | null;
  fetch?: typeof globalThis.fetch;
}

const answerSchema = z.object({ result: z.string().regex(/^0x([0-9a-f]{64})+$/) });
const timeoutMs = 10_000;

export class RpcCoverage implements CoverageReader {
  readonly #options: RpcCoverageOptions;
  readonly #fetch: typeof globalThis.fetch;

  constructor(options: RpcCoverageOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  async authorization(payer: Address, sessionKey: Address, payee: Address): Promise<AuthorizationState> {
    const { ledger } = this.#terms();
    const [authorization, channel] = await Promise.all([
      this.#view(ledger, selectors.authorizationOf, [payer, sessionKey], 4),
      this.#view(ledger, selectors.channelOf, [payer, sessionKey, payee], 2),
    ]);
    const [cap, spent, expiry, closed] = authorization;
    return { cap: cap!, spent: spent!, expiry: Number(expiry!), closed: closed !== 0n, claimed: channel[0]! };
  }

  /** The chain knows the root alone; what it gives the account is read from the relay's file, which has to have that root. */
  async payroll(operator: Address, account: Address): Promise<PayrollState> {
    const { payroll } = this.#terms();
    const [root, , epoch] = await this.#view(payroll, selectors.currentOf, [operator], 4);
    if (epoch === 0n) return { cumulative: 0n, epoch: 0 };
    const [paid, forfeited] = await this.#view(payroll, selectors.paidOf, [operator, account], 2);
    const atLeast = paid! + forfeited!;
    const file = await this.#payrollFile(Number(epoch!));
    if (file === null || file.operator !== operator || BigInt(file.tree.root) !== root) {
      return { cumulative: atLeast, epoch: Number(epoch!) };
    }
    const leaf = file.tree.leaves.find((each) => each.account === account);
    return { cumulative: leaf?.cumulative ?? 0n, epoch: Number(epoch!) };
  }

  #terms(): NetworkTerms {
    const terms = this.#options.terms();
    if (!terms) throw new VesselError('chain_unavailable', 'This network has no chain.');
    return terms;
  }

  async #payrollFile(epoch: number): Promise<ReturnType<typeof parsePayroll> | null> {
    try {
      const response = await this.#fetch(`${this.#options.relayUrl}/v1/payroll/epochs/${epoch}`, {
        signal: AbortSignal.timeout(timeoutMs),
      });
      return response.ok ? parsePayroll(await response.text()) : null;
    } catch {
      // Without the file only what was paid out counts: less credit for the relay, no loss for this hop.
      return null;
    }
  }

  /** The words a view answers. */
  async #view(contract: Address, selector: Hex, args: Address[], words: number): Promise<bigint[]> {
    const data = `${selector}${args.map((arg) => arg.slice(2).padStart(64, '0')).join('')}`;
    const body = { jsonrpc: '2.0', id: 1, method: 'eth_call', params: [{ to: contract, data }, 'latest'] };
    try {
      const response = await this.#fetch(this.#options.rpcUrl ?? `${this.#options.relayUrl}/v1/chain`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      });
      const { result } = answerSchema.parse(await response.json());
      const found = result
        .slice(2)
        .match(/.{64}/g)!
        .map((word) => BigInt(`0x${word}`));
      if (found.length < words) throw new Error(`${found.length} words instead of ${words}`);
      return found;
    } catch (cause) {
      throw new VesselError('chain_unavailable', 'The chain could not be read to see whether the payment is covered.', {
        cause,
      });
    }
  }
}
