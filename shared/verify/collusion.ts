/**
 * What auditors who collude can do. `colluding` of the `pool` auditors that may be drawn work together, with the hop (to have it
 * acquitted) or against it (to have an honest one convicted). Draws are without replacement, so the chances are hypergeometric.
 *
 *   acquit  = 1 − P(first honest) · P(at least k − 1 of the other n − 1 honest)
 *   frame   = P(first colludes) · P(at least k − 1 of the other n − 1 collude)
 */
import { type Panel, panel } from './verdict.ts';

export interface AuditorPool {
  /** Auditors that may be drawn for one audit, one per network. */
  pool: number;
  colluding: number;
}

/** Chance that a cheat which every honest auditor sees is not convicted. */
export function acquitChance({ pool, colluding }: AuditorPool, { n, k }: Panel = panel): number {
  const honest = pool - colluding;
  return 1 - (honest / pool) * atLeast(k - 1, n - 1, pool - 1, honest - 1);
}

/** Chance, per audit, that an honest hop is convicted. */
export function frameChance({ pool, colluding }: AuditorPool, { n, k }: Panel = panel): number {
  return (colluding / pool) * atLeast(k - 1, n - 1, pool - 1, colluding - 1);
}

/** Chance that of `draws` taken from `pool` at least `least` are among the `marked`. */
function atLeast(least: number, draws: number, pool: number, marked: number): number {
  let sum = 0;
  for (let hits = least; hits <= Math.min(draws, marked); hits++) {
    sum += Math.exp(logChoose(marked, hits) + logChoose(pool - marked, draws - hits) - logChoose(pool, draws));
  }
  return Math.min(1, sum);
}

function logChoose(n: number, k: number): number {
  if (k < 0 || k > n) return Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let i = 1; i <= k; i++) sum += Math.log((n - k + i) / i);
  return sum;
}
