/**
 * Known input before the first job (design C2): some drivers answer with zeros, NaN or noise instead of an error. The same
 * positions go through the shard twice, in one step and one by one; two different kernels then have to agree.
 */
import { VesselError } from '../../shared/protocol/errors.ts';
import { systemClock } from '../system-clock.ts';
import type { ShardRuntime, StepInput } from './shard-runtime.ts';

export interface CanaryReport {
  /** Largest difference between both ways, in parts of the output's root mean square. */
  error: number;
  /** Median milliseconds of one position at a time: what a generated token will take here. */
  stepMs: number;
}

/** f32 kernels part by about 1e-5, f16 ones by about 1e-2; a broken one by about 1. */
const allowedError = { f32: 1e-3, f16: 1e-1 };
const positions = 5;

/** Throws `bad_output` if the shard's output is not finite, all zeros, or depends on how the positions were cut into steps. */
export async function runCanary(runtime: ShardRuntime, now = systemClock.now): Promise<CanaryReport> {
  const whole = runtime.createCache(positions);
  const single = runtime.createCache(positions);
  try {
    const expected = lastRow(runtime, (await runtime.step(whole, canaryInput(runtime, 0, positions))).values);
    let found = expected;
    const steps: number[] = [];
    for (let at = 0; at < positions; at++) {
      const began = now();
      found = lastRow(runtime, (await runtime.step(single, canaryInput(runtime, at, at + 1))).values);
      steps.push(now() - began);
    }
    const error = relativeError(found, expected);
    if (!(error <= allowedError[runtime.arithmetic])) {
      throw new VesselError(
        'bad_output',
        `This device computes the same input to different results (off by ${error.toPrecision(2)}).`,
      );
    }
    return { error, stepMs: steps.sort((a, b) => a - b)[positions >> 1]! };
  } finally {
    whole.release();
    single.release();
  }
}

function canaryInput(runtime: ShardRuntime, from: number, to: number): StepInput {
  const { vocab, hidden } = runtime.shard.manifest.architecture;
  if (runtime.shard.from === 0) {
    return { kind: 'tokens', ids: Int32Array.from({ length: to - from }, (_, i) => (7 + 13 * (from + i)) % vocab) };
  }
  // Smooth, of about the size hidden rows have, different in every position.
  const values = Float32Array.from({ length: (to - from) * hidden }, (_, i) => Math.sin(0.7 + 1.3 * (from * hidden + i)));
  return { kind: 'hidden', values };
}

function lastRow(runtime: ShardRuntime, values: Float32Array): Float32Array {
  const { layers, hidden } = runtime.shard.manifest.architecture;
  return runtime.shard.to === layers ? values : values.subarray(values.length - hidden);
}

function relativeError(found: Float32Array, expected: Float32Array): number {
  let worst = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(found[i]! - expected[i]!));
    squares += expected[i]! ** 2;
  }
  return worst / Math.sqrt(squares / expected.length);
}
