/**
 * Audits of collected rows, as often as wanted: every try has a beacon of its own, which draws the batches, the rows and the projection, and the
 * rule of the network decides. The rows themselves were computed once, by real runtimes.
 */
import { limits } from '../shared/protocol/limits.ts';
import { acceptDistances, type RowFinding } from '../shared/verify/accept-rows.ts';
import { type AuditTarget, drawRows } from '../shared/verify/audit-draw.ts';
import { BeaconDraws, text } from '../shared/verify/beacon.ts';
import { fingerprintDistance, Projection } from '../shared/verify/fingerprint.ts';
import type { Tolerance } from '../shared/verify/numeric-class.ts';
import type { RandomNumbers } from './random-numbers.ts';
import { toplocCheck } from './toploc.ts';

/** One hop's outputs in one session: what it committed to, and what the auditor has. */
export interface AuditedRows {
  /** What it came from, for reports: model, hop, session. */
  name: string;
  width: number;
  /** Output rows of each batch, in order. */
  batches: number[];
  /** Row-major, all positions. */
  claimed: Float32Array;
  own: Float32Array;
}

/** Batches of a session in which every position has an output row. */
export function rowBatches(promptLength: number, positions: number): number[] {
  const cut = (count: number, size: number): number[] =>
    Array.from({ length: Math.ceil(count / size) }, (_, batch) => Math.min(size, count - batch * size));
  return [...cut(promptLength, limits.prefillChunk), ...cut(positions - promptLength, limits.outputBatch)];
}

/** The beacon of a try. */
export function beaconOf(seed: string, index: number): Uint8Array {
  return new BeaconDraws(new Uint8Array(32), [text(seed), text(String(index))]).bytes();
}

const target: AuditTarget = { session: '00'.repeat(16), hop: '0x', commitment: new Uint8Array(32) };

/** One audit: draws, opens, compares. */
export function tryAudit(rows: AuditedRows, beacon: Uint8Array, tolerance: Tolerance): RowFinding {
  const { width, batches } = rows;
  const { seed, opened } = drawRows(beacon, target, batches);
  const projection = new Projection(seed, width);
  const distances: number[] = [];
  for (const { batch, rows: indexes } of opened) {
    const start = batches.slice(0, batch).reduce((sum, count) => sum + count, 0);
    for (const index of indexes) distances.push(rowDistance(rows, projection, start + index));
  }
  return acceptDistances(distances, tolerance);
}

/** Distance of every row under one projection. */
export function allDistances(rows: AuditedRows, seed: Uint8Array): number[] {
  const projection = new Projection(seed, rows.width);
  return Array.from({ length: rows.own.length / rows.width }, (_, row) => rowDistance(rows, projection, row));
}

/** How many groups of 32 rows TOPLOC's rule passes, of how many. */
export function toplocPasses(rows: AuditedRows, random: RandomNumbers): { passed: number; checked: number } {
  const group = limits.outputBatch * rows.width;
  let passed = 0;
  let checked = 0;
  // Whole groups only: the rule wants 128 values, and its thresholds are for 32 tokens.
  for (let at = 0; at + group <= rows.own.length; at += group) {
    checked++;
    if (toplocCheck(rows.claimed.subarray(at, at + group), rows.own.subarray(at, at + group), random).passes) passed++;
  }
  return { passed, checked };
}

function rowDistance({ claimed, own, width }: AuditedRows, projection: Projection, row: number): number {
  const part = (rows: Float32Array): Float32Array => rows.subarray(row * width, (row + 1) * width);
  return fingerprintDistance(projection.fingerprint(part(claimed)), projection.fingerprint(part(own)));
}
