/**
 * What cheating earns, computed from the parameters of verification. All amounts in prices of one session: an honest hop earns 1 and
 * spends `cost`. A cheat saves a part of the cost on some sessions; an audit that finds it takes what is held back, and the identity starts again
 * as a newcomer. Long-run profit per session by renewal: what a cycle from newcomer to conviction brings, over its length. Two rules of paying
 * out are part of it: nothing is paid before an account has passed `newcomerAudits` audits, and of its last so many sessions
 * nothing is paid however long ago they were.
 */

import type { RatePolicy } from './audit-rate.ts';
import { type AuditorPool, acquitChance } from './collusion.ts';
import { type Panel, panel } from './verdict.ts';

export interface Economy {
  rate: RatePolicy;
  panel: Panel;
  auditors: AuditorPool;
  /** Cost of computing in parts of the price. The closer to 1, the less honest work earns, and the more a cheat saves. */
  cost: number;
  /** Sessions whose pay is held back at any time, apart from the one at hand. */
  heldSessions: number;
}

export interface Strategy {
  name: string;
  /** Part of the cost that a cheated session saves. */
  saves: number;
  /** Part of all sessions cheated in. */
  share: number;
  /** Chance that one audit of a cheated session finds it. */
  found: number;
  /** `veteran` works honestly until it is rarely audited; `newcomer` cheats from the first session with a fresh identity each time. */
  as: 'veteran' | 'newcomer';
  /** Price of the sessions it cheats in, in prices of a usual one. */
  size?: number;
}

export interface Profit {
  name: string;
  /** Prices per session. */
  profit: number;
  /** Less what honesty earns in the same time. */
  aboveHonesty: number;
}

/** Long-run profit of a strategy against the profit of honesty, `1 - cost`. */
export function profitOf(strategy: Strategy, economy: Economy): Profit {
  const { cost, rate, heldSessions } = economy;
  const { name, saves, share, as, size = 1 } = strategy;
  const convicted = strategy.found * (1 - acquitChance(economy.auditors, economy.panel));
  const result = (aboveHonesty: number): Profit => ({ name, profit: 1 - cost + aboveHonesty, aboveHonesty });
  if (as === 'newcomer') {
    // Audited every time, and paid for nothing before so many clean audits.
    const survives = (1 - convicted) ** rate.newcomerAudits;
    const sessions = convicted === 0 ? rate.newcomerAudits : (1 - survives) / convicted;
    return result((survives * rate.newcomerAudits) / sessions - cost * (1 - saves) - (1 - cost));
  }
  // The rate rule: chance × held back is at least margin × value, the session at hand included in what is held.
  const chance = Math.min(1, Math.max(rate.floor, (rate.margin * size) / (heldSessions + size)));
  const perSession = share * chance * convicted;
  const gain = share * saves * cost * size;
  if (perSession === 0) return result(gain);
  const cheating = 1 / perSession;
  const cycle = sessionsToFloor(rate) + cheating;
  // Honest sessions bring what they bring; only what goes beyond that, and the loss, matter.
  return result((cheating * gain - Math.min(heldSessions, cycle) - size) / cycle);
}

/** Honest sessions until the audit rate has fallen to its floor. */
export function sessionsToFloor({ newcomerAudits, halvingAudits, floor }: RatePolicy): number {
  let sessions = newcomerAudits;
  for (let chance = 0.5; chance > floor; chance /= 2) sessions += halvingAudits / chance;
  return sessions;
}

/** Least part of the earnings of `heldSessions` that must be at stake for a cheat not to pay, in sessions. */
export function heldNeeded({ cost, rate, auditors, panel: size }: Economy, saves: number, found: number): number {
  return (saves * cost) / (rate.floor * found * (1 - acquitChance(auditors, size)));
}

/** The cheats of issue 4, with the part of the cost each saves at most and what an audit finds (measured; see docs/results). */
export function strategies(found: number): Strategy[] {
  const cheat = (name: string, saves: number): Strategy => ({ name, saves, share: 1, found, as: 'veteran' });
  const always = [
    cheat('weights int8', 0.5),
    cheat('weights int4', 0.75),
    cheat('f16 arithmetic instead of f32', 0.5),
    cheat('1 % weight noise', 0),
    cheat('a skipped layer', 0.5),
    cheat('another model', 0.95),
    cheat('stale KV', 0.95),
    cheat('copied result', 1),
    cheat('truncated context', 0.9),
    cheat('constant output', 1),
    cheat('wrong seed', 0),
    cheat('early stop', 1),
  ];
  const nothing = cheat('does nothing', 1);
  return [
    ...always,
    { ...nothing, name: 'does nothing in one session of ten', share: 0.1 },
    { ...nothing, name: 'does nothing in one session of a thousand', share: 0.001 },
    { ...nothing, name: 'does nothing in one large session (20 usual ones) of a hundred', share: 0.01, size: 20 },
    { ...nothing, name: 'invents one row of eight', saves: 1 / 8, found: found * (1 - (1 - 1 / 8) ** 8) },
    { ...nothing, name: 'a new identity after each conviction, cheats from the start', as: 'newcomer' },
  ];
}

export function profitTable(economy: Economy, found: number): Profit[] {
  return [
    { name: 'honest', profit: 1 - economy.cost, aboveHonesty: 0 },
    ...strategies(found).map((one) => profitOf(one, economy)),
  ];
}

/** The network's own parameters, with a tenth of all auditors colluding and work that costs nearly all it earns: the hardest case for honesty. */
export function hardEconomy(rate: RatePolicy): Economy {
  return { rate, panel, auditors: { pool: 200, colluding: 20 }, cost: 0.99, heldSessions: Math.ceil(rate.margin / rate.floor) };
}
