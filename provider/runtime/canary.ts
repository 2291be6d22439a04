/**
 * Known input before the first job (design C2): some drivers answer with zeros, NaN or noise instead of an error. The same
 * positions go through the shard in steps of different sizes; different kernels then have to agree.
 */
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import { systemClock } from '../system-clock.ts';
import type { ShardRuntime, StepInput } from './shard-runtime.ts';
import { ShortStepRuntime } from './short-step-runtime.ts';

export interface CanaryReport {
  /** Largest difference between both ways, in parts of the output's root mean square. */
  error: number;
  /** Median milliseconds of one position at a time: what a generated token will take here. */
  stepMs: number;
  /** What to use from here on: the runtime given, or one that keeps its steps short because long ones are wrong on this device. */
  runtime: ShardRuntime;
}

/** f32 kernels part by about 1e-5, f16 ones by about 1e-2; a broken one by about 1. */
const allowedError = { f32: 1e-3, f16: 1e-1 };
const positions = 5;
/**
 * From 32 positions on ONNX Runtime's attention on WebGPU is another kernel, which counts on subgroups of 16 lanes or more.
 * Where they are smaller (SwiftShader has 4) it answers wrongly and says nothing.
 */
const shortStep = 31;

/** Throws `bad_output` if the shard's output is not finite, all zeros, or depends on how the positions were cut into steps. */
export async function runCanary(runtime: ShardRuntime, now = systemClock.now): Promise<CanaryReport> {
  const expected = await lastRowAfter(runtime, [positions]);
  const steps: number[] = [];
  const found = await lastRowAfter(runtime, Array(positions).fill(1), (step) => {
    const began = now();
    return step().finally(() => steps.push(now() - began));
  });
  const error = relativeError(found, expected);
  requireAgreement(runtime, error);
  return { error, stepMs: steps.sort((a, b) => a - b)[positions >> 1]!, runtime: await soundInLongSteps(runtime) };
}

/** A prefill chunk in one step has to answer as it does in four; where it does not, steps are kept short. */
async function soundInLongSteps(runtime: ShardRuntime): Promise<ShardRuntime> {
  const chunk = Math.min(limits.prefillChunk, runtime.context);
  if (chunk <= shortStep) return runtime;
  const quarter = chunk >> 2;
  const expected = await lastRowAfter(runtime, [quarter, quarter, quarter, chunk - 3 * quarter]);
  const inOneStep = lastRowAfter(runtime, [chunk]).catch((thrown: unknown) => {
    if (thrown instanceof VesselError && thrown.code === 'bad_output') return null;
    throw thrown;
  });
  const found = await inOneStep;
  if (found !== null && agrees(runtime, relativeError(found, expected))) return runtime;
  const short = new ShortStepRuntime(runtime, shortStep);
  requireAgreement(runtime, relativeError(await lastRowAfter(short, [chunk]), expected));
  return short;
}

/** The output's last row after steps of the given sizes. */
async function lastRowAfter(
  runtime: ShardRuntime,
  sizes: number[],
  timed: <T>(step: () => Promise<T>) => Promise<T> = (step) => step(),
): Promise<Float32Array> {
  const cache = runtime.createCache(sizes.reduce((sum, size) => sum + size, 0));
  try {
    let values = new Float32Array();
    for (const size of sizes) {
      const input = canaryInput(runtime, cache.length, cache.length + size);
      values = Float32Array.from((await timed(() => runtime.step(cache, input))).values);
    }
    const { layers, hidden } = runtime.shard.manifest.architecture;
    return runtime.shard.to === layers ? values : values.subarray(values.length - hidden);
  } finally {
    cache.release();
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

function agrees(runtime: ShardRuntime, error: number): boolean {
  return error <= allowedError[runtime.arithmetic];
}

function requireAgreement(runtime: ShardRuntime, error: number): void {
  if (agrees(runtime, error)) return;
  throw new VesselError(
    'bad_output',
    `This device computes the same input to different results (off by ${error.toPrecision(2)}).`,
  );
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
