/**
 * What the beacon decides: whether a hop's session is audited, which rows are opened, and who runs the shard again. Everything follows from the
 * beacon and from what was fixed before it (the commitment, the list of auditors), so everybody draws the same.
 */
import { hexToBytes } from '../protocol/bytes.ts';
import { VesselError } from '../protocol/errors.ts';
import { BeaconDraws, text } from './beacon.ts';

/** One hop's finished session. */
export interface AuditTarget {
  /** 32 hex digits. */
  session: string;
  /** Account, 0x-hex. */
  hop: string;
  /** The chain's last word (batch-commitment.ts), as in the hop's last receipt. */
  commitment: Uint8Array;
}

export interface DrawSize {
  /** Batches opened, the last one among them. */
  batches: number;
  /** Rows opened of each. */
  rows: number;
}

/** 32 rows of 2048 are 256 kB on the 3 % of sessions that are audited. */
export const drawSize: DrawSize = { batches: 4, rows: 8 };

export interface DrawnRows {
  batch: number;
  /** Indexes into the batch's outputs, ascending. */
  rows: number[];
}

export interface AuditDraw {
  /** Seed of the projection. */
  seed: Uint8Array;
  opened: DrawnRows[];
}

/** True with probability `chance`. */
export function isAudited(beacon: Uint8Array, target: AuditTarget, chance: number): boolean {
  return drawsFor(beacon, target, 'audited').unit() < chance;
}

/**
 * The last batch is always among those opened: what goes wrong in the KV stays wrong, so it shows there, and so does an answer that
 * ends too early.
 * @param outputs leaves under the output root of each batch, in order
 */
export function drawRows(
  beacon: Uint8Array,
  target: AuditTarget,
  outputs: readonly number[],
  size: DrawSize = drawSize,
): AuditDraw {
  const draws = drawsFor(beacon, target, 'rows');
  const seed = draws.bytes();
  const filled = outputs.flatMap((count, batch) => (count > 0 ? [batch] : []));
  const last = filled.pop();
  const others = draws.sample(filled.length, size.batches - 1).map((index) => filled[index]!);
  const batches = last === undefined ? others : [...others, last];
  return { seed, opened: batches.map((batch) => ({ batch, rows: draws.sample(outputs[batch]!, size.rows) })) };
}

/** Somebody who can run the shard again. */
export interface Auditor {
  /** Account, 0x-hex. */
  account: string;
  /** Whose it probably is: address block or network number. Two of the same count as one. */
  network: string;
}

/**
 * Auditors in the order drawn: none of the route, none on the network of a hop of the route, no two on one network. Fewer than `count`
 * if there are no more.
 * @param eligible as published before the beacon, in any order
 * @param round 0 for the routine audit; each later panel draws anew, from a later beacon
 */
export function drawAuditors(
  beacon: Uint8Array,
  target: AuditTarget,
  eligible: readonly Auditor[],
  route: readonly Auditor[],
  count: number,
  round = 0,
): Auditor[] {
  const taken = new Set(route.map(({ network }) => network));
  const members = new Set(route.map(({ account }) => account));
  const pool = eligible.filter(({ account }) => !members.has(account)).sort((a, b) => (a.account < b.account ? -1 : 1));
  const draws = drawsFor(beacon, target, `auditors ${round}`);
  const drawn: Auditor[] = [];
  while (pool.length > 0 && drawn.length < count) {
    const at = draws.below(pool.length);
    const [auditor] = pool.splice(at, 1);
    if (taken.has(auditor!.network)) continue;
    taken.add(auditor!.network);
    drawn.push(auditor!);
  }
  return drawn;
}

function drawsFor(beacon: Uint8Array, { session, hop, commitment }: AuditTarget, purpose: string): BeaconDraws {
  const bytes = hexToBytes(session);
  if (bytes === null) throw new VesselError('bad_message', 'A session id is 32 hex digits.');
  return new BeaconDraws(beacon, [text(purpose), bytes, text(hop.toLowerCase()), commitment]);
}
