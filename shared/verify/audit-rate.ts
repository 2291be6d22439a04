/**
 * How often a hop's work is run again. Everything of a newcomer; then half as often for every few audits without fault, down to a floor;
 * and never so rarely that the holdback at stake would be less than what a cheat could hope to gain. That last rule is what makes free
 * identities worthless: who has nothing held back is audited every time.
 */
export interface AuditRecord {
  /** Audits passed since the last doubt. */
  cleanAudits: number;
  /** Wei earned and not yet paid out, the session at hand included: forfeited when a cheat is found. */
  heldBack: bigint;
}

export interface RatePolicy {
  /** Audits that a newcomer passes at rate 1, and before any pay; later the pay of as many last sessions stays held back. */
  newcomerAudits: number;
  /** Further clean audits after which the rate halves. */
  halvingAudits: number;
  /** Lowest rate. */
  floor: number;
  /** Chance × heldBack is at least this many times the value of the work: above 1 / (chance that an audit convicts a cheat). */
  margin: number;
  /** Re-runs whose answer is known already, per session: they audit auditors. */
  canaries: number;
}

/** Steady state: 3 % + 1 % of re-execution. */
export const ratePolicy: RatePolicy = { newcomerAudits: 10, halvingAudits: 5, floor: 0.03, margin: 2, canaries: 0.01 };

export const newRecord: AuditRecord = { cleanAudits: 0, heldBack: 0n };

/**
 * Chance that a session is audited.
 * @param value wei that the hop asks for it
 */
export function auditChance(record: AuditRecord, value: bigint, policy: RatePolicy = ratePolicy): number {
  const halvings = Math.floor((record.cleanAudits - policy.newcomerAudits) / policy.halvingAudits);
  const byRecord = record.cleanAudits < policy.newcomerAudits ? 1 : 2 ** -(halvings + 1);
  const atStake = record.heldBack > 0n ? Number(record.heldBack) : 0;
  const byValue = value === 0n ? 0 : (policy.margin * Number(value)) / atStake;
  return Math.min(1, Math.max(policy.floor, byRecord, byValue));
}

/** The largest session a hop is offered: what it could lose must be in proportion to what it could take. */
export function largestSession(record: AuditRecord, usual: bigint): bigint {
  const large = 4n * record.heldBack;
  return large > usual ? large : usual;
}

/** What an audit, or a doubt, does to a record. `doubt`: a link that differs, rows not opened in time, a panel that could not decide. */
export type AuditOutcome = 'clean' | 'doubt' | 'convicted';

/** A doubt costs what it takes to be watched closely again; a conviction makes a newcomer. Nothing here takes money: the verdict does. */
export function recordAfter(record: AuditRecord, outcome: AuditOutcome, policy: RatePolicy = ratePolicy): AuditRecord {
  if (outcome === 'convicted') return { cleanAudits: 0, heldBack: 0n };
  const cleanAudits =
    outcome === 'clean'
      ? record.cleanAudits + 1
      : Math.max(0, Math.min(record.cleanAudits, policy.newcomerAudits) - policy.halvingAudits);
  return { ...record, cleanAudits };
}

/** Re-execution per unit of work in the long run, for a hop that stays for `sessions` sessions of equal value and is honest. */
export function overheadOver(sessions: number, heldSessions: number, policy: RatePolicy = ratePolicy): number {
  let record = newRecord;
  let audits = 0;
  let credit = 0;
  for (let session = 0; session < sessions; session++) {
    const chance = auditChance({ ...record, heldBack: BigInt(Math.min(session, heldSessions) + 1) }, 1n, policy);
    audits += chance;
    credit += chance;
    // Expected record: an audit passes whenever the chances add up to one.
    if (credit >= 1) {
      credit -= 1;
      record = recordAfter(record, 'clean', policy);
    }
  }
  return audits / sessions + policy.canaries;
}
