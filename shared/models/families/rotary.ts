/**
 * Rotary settings in their two spellings: `rope_theta` beside `rope_scaling` (until transformers 4), or both in one
 * `rope_parameters` (since transformers 5).
 */
import type { Rotary } from '../architecture.ts';
import { countOf, type Json, objectOf, positiveOf, refuseConfig } from './config-reader.ts';

/** The rotary of a family with one kind of it. */
export function rotaryOf(config: Json, defaultTheta: number): Rotary {
  const parameters = objectOf(config, 'rope_parameters') ?? objectOf(config, 'rope_scaling') ?? {};
  return readRotary(parameters, positiveOf(config, 'rope_theta', defaultTheta));
}

/** One rotary from its parameters; `theta` holds where they name none. */
export function readRotary(parameters: Json, theta: number): Rotary {
  const partial = parameters.partial_rotary_factor ?? 1;
  if (partial !== 1) throw refuseConfig(`partial_rotary_factor ${partial} is not supported; only 1 is.`);
  if (parameters.mrope_section != null) throw refuseConfig('multimodal rotary positions (mrope) are not supported.');
  return { theta: positiveOf(parameters, 'rope_theta', theta), scaling: readScaling(parameters) };
}

function readScaling(parameters: Json): Rotary['scaling'] {
  const kind: unknown = parameters.rope_type ?? parameters.type ?? 'default';
  switch (kind) {
    case 'default':
      return null;
    case 'linear':
      return { kind: 'linear', factor: required(parameters, 'factor') };
    case 'llama3': {
      const scaling = {
        kind: 'llama3' as const,
        factor: required(parameters, 'factor'),
        lowFrequencyFactor: required(parameters, 'low_freq_factor'),
        highFrequencyFactor: required(parameters, 'high_freq_factor'),
        originalContext:
          countOf(parameters, 'original_max_position_embeddings', null) ?? missing('original_max_position_embeddings'),
      };
      if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor) {
        throw refuseConfig('rope scaling needs high_freq_factor greater than low_freq_factor.');
      }
      return scaling;
    }
    default:
      throw refuseConfig(`rope scaling ${JSON.stringify(kind)} is not supported; default, linear and llama3 are.`);
  }
}

function required(parameters: Json, key: string): number {
  return positiveOf(parameters, key, null) ?? missing(key);
}

function missing(key: string): never {
  throw refuseConfig(`rope scaling lacks "${key}".`);
}
