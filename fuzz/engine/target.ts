/** What a fuzz target says of one decoder. Each file in `fuzz/targets` exports one as `target`. */
import type { ErrorCode } from '../../shared/protocol/errors.ts';

interface TargetBasics<Input> {
  /** The file name without `.fuzz.ts`; also the folder of its found cases. */
  name: string;
  /** Inputs are no longer than this: bytes, or characters. */
  maxLength: number;
  /** Valid inputs (and telling invalid ones) to begin from. */
  seeds: readonly Input[];
  /** Codes of VesselError that the decoder may answer with. Anything else that is thrown is a finding. */
  refusals: readonly ErrorCode[];
  /** For decoders that document other errors than VesselError. */
  isRefusal?: (thrown: unknown) => boolean;
  /** Words worth trying beyond the literals of the instrumented modules, which are known anyway. */
  words?: readonly string[];
  /** One input may take at most this much memory outside of the heap, in bytes. Default 32 MiB. */
  maxAllocation?: number;
  /** A way of changing inputs that knows their structure; takes turns with the engine's own. */
  mutate?: (input: Input, below: (bound: number) => number) => Input;
  /**
   * Decodes, and throws when a property of the result does not hold (say, that it encodes to the same bytes). A string that it
   * returns stands for a kind of answer: a new one counts as new coverage.
   */
  decode(input: Input): unknown;
}

export interface BytesTarget extends TargetBasics<Uint8Array<ArrayBuffer>> {
  form: 'bytes';
}
/** `json`: inputs are changed as JSON values, and now and then as plain text. */
export interface TextTarget extends TargetBasics<string> {
  form: 'text' | 'json';
}
export type FuzzTarget = BytesTarget | TextTarget;
export type FuzzInput = string | Uint8Array<ArrayBuffer>;

export const defaultMaxAllocation = 32 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function toBytes(input: FuzzInput): Uint8Array<ArrayBuffer> {
  return typeof input === 'string' ? encoder.encode(input) : input;
}

/** A kept case as the target takes it. */
export function fromBytes(target: FuzzTarget, bytes: Uint8Array<ArrayBuffer>): FuzzInput {
  return target.form === 'bytes' ? bytes : decoder.decode(bytes);
}

export function decodeWith(target: FuzzTarget, input: FuzzInput): unknown {
  if (target.form === 'bytes') {
    if (typeof input === 'string') throw new TypeError(`${target.name} takes bytes`);
    return target.decode(input);
  }
  if (typeof input !== 'string') throw new TypeError(`${target.name} takes text`);
  return target.decode(input);
}
