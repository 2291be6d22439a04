/**
 * Typed access to a checkpoint's config.json. A key that is absent or null takes the default of Hugging Face transformers, which
 * writes only what differs from its defaults. A value of the wrong kind is refused by name.
 */
import { VesselError } from '../../protocol/errors.ts';

export type Json = Record<string, unknown>;

export function refuseConfig(reason: string): VesselError {
  return new VesselError('bad_checkpoint', `config.json: ${reason}`);
}

/** A positive whole number. */
export function countOf<D>(config: Json, key: string, fallback: D): number | D {
  const value = config[key] ?? fallback;
  if (value === fallback) return fallback;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw wrong(key, 'a positive whole number', value);
}

/** A positive number. */
export function positiveOf<D>(config: Json, key: string, fallback: D): number | D {
  const value = config[key] ?? fallback;
  if (value === fallback) return fallback;
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw wrong(key, 'a positive number', value);
}

export function flagOf(config: Json, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback;
  if (typeof value === 'boolean') return value;
  throw wrong(key, 'true or false', value);
}

export function objectOf(config: Json, key: string): Json | null {
  const value = config[key] ?? null;
  if (value === null) return null;
  if (typeof value === 'object' && !Array.isArray(value)) return { ...value };
  throw wrong(key, 'an object', value);
}

function wrong(key: string, wanted: string, value: unknown): VesselError {
  return refuseConfig(`"${key}" should be ${wanted}, not ${JSON.stringify(value)?.slice(0, 80)}.`);
}
