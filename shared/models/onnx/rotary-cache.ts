import { paddedHeadDim, type Rotary } from '../architecture.ts';

/** Angle per position of each of the headDim / 2 rotary pairs, in float64. */
export function rotaryFrequencies(rotary: Rotary, headDim: number): Float64Array {
  const frequencies = new Float64Array(headDim / 2);
  for (let pair = 0; pair < frequencies.length; pair++) {
    const plain = rotary.theta ** ((-2 * pair) / headDim);
    frequencies[pair] = scaleFrequency(plain, rotary.scaling);
  }
  return frequencies;
}

function scaleFrequency(plain: number, scaling: Rotary['scaling']): number {
  if (scaling === null) return plain;
  if (scaling.kind === 'linear') return plain / scaling.factor;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
  // How often the pair turns within the context the model was first trained on.
  const turns = (originalContext * plain) / (2 * Math.PI);
  if (turns < low) return plain / factor;
  if (turns > high) return plain;
  const blend = (turns - low) / (high - low);
  return ((1 - blend) * plain) / factor + blend * plain;
}

/** cos and sin, each [positions, paddedHeadDim / 2]. The padding gets cos 1 and sin 0, which leaves its zeros alone. */
export function rotaryCache(
  rotary: Rotary,
  headDim: number,
  positions: number,
): { cos: Float32Array<ArrayBuffer>; sin: Float32Array<ArrayBuffer> } {
  const frequencies = rotaryFrequencies(rotary, headDim);
  const width = paddedHeadDim(headDim) / 2;
  const cos = new Float32Array(positions * width).fill(1);
  const sin = new Float32Array(positions * width);
  for (let position = 0; position < positions; position++) {
    for (let pair = 0; pair < frequencies.length; pair++) {
      const angle = position * frequencies[pair]!;
      cos[position * width + pair] = Math.cos(angle);
      sin[position * width + pair] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
