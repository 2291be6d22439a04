/** What is worth its gas: sums below wait until there is more of them, or until gas is cheaper. */
import type { Chain } from '../chain/chain.ts';
import type { PaymentSettings } from './payment-settings.ts';

/** Wei of AIC. */
export interface LeastAmounts {
  /** To send an account what it has. */
  payout: bigint;
  /** To claim the vouchers of one payer. */
  claim: bigint;
}

/** Whole transactions, from contracts/gas.json: a claim from a payroll of 65,000 accounts, and a voucher with a payee it has not had. */
const payoutGas = 72_500n;
const claimGas = 61_500n;
const coin = 10n ** 18n;

type Settings = Pick<PaymentSettings, 'minPayout' | 'minClaim' | 'aicPerCoin' | 'gasShare'>;

/** Asks the chain for its gas price, unless the operator has fixed both. */
export async function leastAmounts(chain: Pick<Chain, 'gasPrice'>, settings: Settings): Promise<LeastAmounts> {
  const { minPayout, minClaim } = settings;
  if (minPayout !== null && minClaim !== null) return { payout: minPayout, claim: minClaim };
  const gasPrice = await chain.gasPrice();
  return {
    payout: minPayout ?? worthGas(payoutGas, gasPrice, settings),
    claim: minClaim ?? worthGas(claimGas, gasPrice, settings),
  };
}

/**
 * The least wei of AIC of which `gas` costs at most `gasShare`. One division, rounded up: at the least amount gas never costs more than
 * its share. `gasPrice` in wei of the chain's coin.
 */
export function worthGas(
  gas: bigint,
  gasPrice: bigint,
  { aicPerCoin, gasShare }: Pick<Settings, 'aicPerCoin' | 'gasShare'>,
): bigint {
  const cost = gas * gasPrice * aicPerCoin * 10_000n;
  const divisor = coin * BigInt(gasShare);
  const least = (cost + divisor - 1n) / divisor;
  return least > 0n ? least : 1n;
}
