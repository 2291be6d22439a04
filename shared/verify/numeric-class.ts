/**
 * How exactly a hop's rows can be repeated elsewhere: the encoding of the model's weights and the arithmetic it ran in. The class is
 * part of every commitment; a hop that claims a finer class than it computes in is found out like any other cheat. An auditor
 * computes in f32, or in the class itself.
 */
export const numericClasses = ['f32', 'f16-f32', 'f16', 'q8', 'q4'] as const;
/** Weights and arithmetic: `f16-f32` is f16 weights in f32 arithmetic; `q8` and `q4` compute in f32. */
export type NumericClass = (typeof numericClasses)[number];

/** Distances between fingerprints (fingerprint.ts), and between logits in parts of their root mean square. */
export interface Tolerance {
  /** A single row further away than this accuses. */
  row: number;
  /** So does a root mean square over all rows of an audit above this. */
  audit: number;
  /** How far a logit may honestly be off, in parts of the root mean square of the logits: what a draw may be explained by. */
  logit: number;
}

/** Measured by `node bench/calibrate-verify.ts`; the figures, their date and machine are in tolerances.json. */
export const tolerances: Readonly<Record<NumericClass, Tolerance>> = {
  f32: { row: 2e-5, audit: 1e-5, logit: 1e-4 },
  'f16-f32': { row: 2e-5, audit: 1e-5, logit: 1e-4 },
  f16: { row: 1.5e-2, audit: 3e-3, logit: 2e-2 },
  q8: { row: 2e-5, audit: 1e-5, logit: 1e-4 },
  q4: { row: 2e-5, audit: 1e-5, logit: 1e-4 },
};

/**
 * What rounding to 16 bits does differs between shards by more than between f16 and int8 on one shard. So an auditor of class f16 also runs
 * the shard in f16 (wasm can), and tells how far that is from its own f32 rows: the bounds are this many times that.
 */
export const f16Factors = { row: 15, audit: 4 } as const;

/**
 * The bounds for one audit.
 * @param ownNoise class f16: root mean square of the distances between the auditor's f32 and f16 rows; the table stays the upper bound
 */
export function toleranceFor(numericClass: NumericClass, ownNoise?: number): Tolerance {
  const most = tolerances[numericClass];
  if (numericClass !== 'f16' || ownNoise === undefined) return most;
  const { row, audit } = f16Factors;
  return { ...most, row: Math.min(most.row, row * ownNoise), audit: Math.min(most.audit, audit * ownNoise) };
}

/** The class of a hop that runs a model of this encoding in this arithmetic. */
export function numericClassOf(dtype: 'f32' | 'f16' | 'q8' | 'q4', arithmetic: 'f32' | 'f16'): NumericClass {
  if (arithmetic === 'f16') return 'f16';
  return dtype === 'f16' ? 'f16-f32' : dtype;
}
