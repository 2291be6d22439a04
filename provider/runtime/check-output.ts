import { VesselError } from '../../shared/protocol/errors.ts';

/** Throws `bad_output` if a value is not finite or all are zero: what broken drivers and lost devices answer (design C2). */
export function checkOutput(values: Float32Array): void {
  let hasValue = false;
  for (const value of values) {
    // Infinity minus itself is NaN, and NaN differs from 0.
    if (value - value !== 0) throw new VesselError('bad_output', 'The shard computed NaN or infinity.');
    if (value !== 0) hasValue = true;
  }
  if (!hasValue) throw new VesselError('bad_output', 'The shard computed nothing but zeros.');
}
