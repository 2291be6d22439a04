import { type ParseArgsConfig, parseArgs } from 'node:util';
import { type ModelDtype, modelDtypes } from '../../shared/models/manifest.ts';
import { UsageError } from './command.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
>;

/** node:util's parseArgs; a wrong option becomes a UsageError that names it. */
export function parseOptions<T extends Options>(args: string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Node adds advice about `--` to its first sentence; nobody here needs it.
    throw new UsageError(error.message.split('. To specify')[0]);
  }
}

/** A whole number within [min, max] given to option `name`. */
export function parseCount(text: string, name: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not "${text}"`);
  return value;
}

export function parseDtype(text: string): ModelDtype {
  const dtype = modelDtypes.find((known) => known === text);
  if (dtype === undefined) throw new UsageError(`--dtype must be one of ${modelDtypes.join(', ')}, not "${text}"`);
  return dtype;
}
