/**
 * A plain forward pass in float64, one token at a time, written from the published definition of each architecture and from the
 * names in a Hugging Face checkpoint. It shares no code with the importer or the graph builder on purpose: what both agree on is
 * unlikely to be wrong in both.
 *
 *   const model = await loadReference(source);
 *   const { ids, minMargin } = greedyReference(model, promptIds, 16);
 */
import type { CheckpointSource } from '../shared/models/checkpoint-source.ts';

/** Changes a weight after it was read, e.g. rounds it as a quantised model does. `shape` is the checkpoint's. */
export type WeightChange = (name: string, values: Float32Array, shape: number[]) => Float32Array;

interface ReferenceLayer {
  /** null sees everything. */
  window: number | null;
  frequencies: Float64Array;
}

export interface ReferenceModel {
  type: string;
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  eps: number;
  scoreScale: number;
  embedScale: number;
  /** Name of the weight that turns the last norm into logits. */
  head: string;
  layers: ReferenceLayer[];
  weights: Map<string, Float32Array>;
}

type Config = Record<string, unknown>;

export async function loadReference(source: CheckpointSource, change?: WeightChange): Promise<ReferenceModel> {
  const files = await source.files();
  const config: Config = JSON.parse(
    new TextDecoder().decode(await source.read('config.json', 0, await source.size('config.json'))),
  );
  const weights = new Map<string, Float32Array>();
  for (const file of files.filter((name) => name.endsWith('.safetensors'))) {
    for (const [name, { values, shape }] of await readTensors(source, file)) {
      weights.set(name, change ? change(name, values, shape) : values);
    }
  }
  return describe(config, weights);
}

async function readTensors(
  source: CheckpointSource,
  file: string,
): Promise<Map<string, { values: Float32Array; shape: number[] }>> {
  const bytes = await source.read(file, 0, await source.size(file));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)),
  );
  const tensors = new Map<string, { values: Float32Array; shape: number[] }>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const start = 8 + headerBytes + entry.data_offsets[0];
    const values = new Float32Array(entry.shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++) {
      if (entry.dtype === 'F32') values[i] = view.getFloat32(start + 4 * i, true);
      else if (entry.dtype === 'F16') values[i] = halfToNumber(view.getUint16(start + 2 * i, true));
      else if (entry.dtype === 'BF16') values[i] = bfloatToNumber(view.getUint16(start + 2 * i, true));
      else throw new Error(`The reference does not read ${entry.dtype} (${name}).`);
    }
    tensors.set(name, { values, shape: entry.shape });
  }
  return tensors;
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 0) return sign * fraction * 2 ** -14;
  return exponent === 31
    ? fraction
      ? Number.NaN
      : sign * Number.POSITIVE_INFINITY
    : sign * (1 + fraction) * 2 ** (exponent - 15);
}

function bfloatToNumber(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits * 65_536);
  return view.getFloat32(0);
}

function describe(config: Config, weights: Map<string, Float32Array>): ReferenceModel {
  const number = (key: string): number => {
    const value = config[key];
    if (typeof value !== 'number') throw new Error(`config.json has no number "${key}".`);
    return value;
  };
  const type = String(config.model_type);
  if (!['llama', 'mistral', 'qwen2', 'qwen3', 'gemma3_text'].includes(type))
    throw new Error(`The reference does not know ${type}.`);
  const gemma = type === 'gemma3_text';
  const hidden = number('hidden_size');
  const heads = number('num_attention_heads');
  const headDim = typeof config.head_dim === 'number' ? config.head_dim : hidden / heads;
  const theta = typeof config.rope_theta === 'number' ? config.rope_theta : 10_000;
  const global = ropeFrequencies(theta, headDim, config.rope_scaling);
  const local = gemma ? ropeFrequencies(number('rope_local_base_freq'), headDim, null) : global;
  const layers: ReferenceLayer[] = [];
  for (let layer = 0; layer < number('num_hidden_layers'); layer++) {
    const slides = isSliding(config, type, layer);
    layers.push({ window: slides ? number('sliding_window') : null, frequencies: slides ? local : global });
  }
  return {
    type,
    hidden,
    heads,
    kvHeads: typeof config.num_key_value_heads === 'number' ? config.num_key_value_heads : heads,
    headDim,
    vocab: number('vocab_size'),
    eps: number('rms_norm_eps'),
    scoreScale: (gemma ? number('query_pre_attn_scalar') : headDim) ** -0.5,
    embedScale: gemma ? Math.sqrt(hidden) : 1,
    head: (config.tie_word_embeddings ?? gemma) ? 'model.embed_tokens.weight' : 'lm_head.weight',
    layers,
    weights,
  };
}

function isSliding(config: Config, type: string, layer: number): boolean {
  if (Array.isArray(config.layer_types)) return config.layer_types[layer] === 'sliding_attention';
  if (type === 'gemma3_text') {
    const pattern = config.sliding_window_pattern ?? config._sliding_window_pattern ?? 6;
    return (layer + 1) % Number(pattern) !== 0;
  }
  if (type === 'mistral') return typeof config.sliding_window === 'number';
  return config.use_sliding_window === true && layer >= Number(config.max_window_layers);
}

function ropeFrequencies(theta: number, headDim: number, scaling: unknown): Float64Array {
  const frequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => 1 / theta ** ((2 * i) / headDim));
  if (typeof scaling !== 'object' || scaling === null) return frequencies;
  const settings = scaling as Record<string, unknown>;
  const kind = settings.rope_type ?? settings.type;
  const factor = Number(settings.factor);
  if (kind === 'default') return frequencies;
  if (kind === 'linear') return frequencies.map((frequency) => frequency / factor);
  if (kind !== 'llama3') throw new Error(`The reference does not know rope scaling ${String(kind)}.`);
  const original = Number(settings.original_max_position_embeddings);
  const low = Number(settings.low_freq_factor);
  const high = Number(settings.high_freq_factor);
  return frequencies.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < original / high) return frequency;
    if (wavelength > original / low) return frequency / factor;
    const smooth = (original / wavelength - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  });
}

/** One sequence with its keys and values. */
export class ReferenceSession {
  readonly #model: ReferenceModel;
  readonly #keys: Float64Array[][];
  readonly #values: Float64Array[][];

  constructor(model: ReferenceModel) {
    this.#model = model;
    this.#keys = model.layers.map(() => []);
    this.#values = model.layers.map(() => []);
  }

  /** Appends one token. `hidden[layer]` is the residual stream after that layer. */
  step(token: number, wantLogits = true): { logits: Float64Array | null; hidden: Float64Array[] } {
    const { hidden: width, embedScale } = this.#model;
    const table = this.#weight('model.embed_tokens.weight');
    let stream: Float64Array = Float64Array.from(
      table.subarray(token * width, (token + 1) * width),
      (value) => value * embedScale,
    );
    const hidden: Float64Array[] = [];
    for (let layer = 0; layer < this.#model.layers.length; layer++) {
      stream = this.#layer(layer, stream);
      hidden.push(stream);
    }
    if (!wantLogits) return { logits: null, hidden };
    return { logits: multiply(this.#weight(this.#model.head), this.#norm('model.norm.weight', stream)), hidden };
  }

  #layer(layer: number, stream: Float64Array): Float64Array {
    const prefix = `model.layers.${layer}`;
    let attended = this.#attention(layer, this.#norm(`${prefix}.input_layernorm.weight`, stream));
    const gemma = this.#model.type === 'gemma3_text';
    if (gemma) attended = this.#norm(`${prefix}.post_attention_layernorm.weight`, attended);
    const middle = stream.map((value, i) => value + attended[i]!);
    const normName = gemma ? 'pre_feedforward_layernorm' : 'post_attention_layernorm';
    let fed = this.#mlp(layer, this.#norm(`${prefix}.${normName}.weight`, middle));
    if (gemma) fed = this.#norm(`${prefix}.post_feedforward_layernorm.weight`, fed);
    return middle.map((value, i) => value + fed[i]!);
  }

  #attention(layer: number, input: Float64Array): Float64Array {
    const { heads, kvHeads, headDim, scoreScale } = this.#model;
    const { window } = this.#model.layers[layer]!;
    const prefix = `model.layers.${layer}.self_attn`;
    const query = this.#project(`${prefix}.q_proj`, input);
    const key = this.#project(`${prefix}.k_proj`, input);
    if (this.#model.weights.has(`${prefix}.q_norm.weight`)) {
      this.#normHeads(`${prefix}.q_norm.weight`, query);
      this.#normHeads(`${prefix}.k_norm.weight`, key);
    }
    const keys = this.#keys[layer]!;
    const values = this.#values[layer]!;
    const position = keys.length;
    this.#rotate(layer, query, position);
    this.#rotate(layer, key, position);
    keys.push(key);
    values.push(this.#project(`${prefix}.v_proj`, input));
    const first = window === null ? 0 : Math.max(0, position - window + 1);
    const output = new Float64Array(heads * headDim);
    for (let head = 0; head < heads; head++) {
      const q = query.subarray(head * headDim, (head + 1) * headDim);
      const kvStart = Math.floor((head * kvHeads) / heads) * headDim;
      const scores: number[] = [];
      for (let seen = first; seen <= position; seen++) {
        let dot = 0;
        for (let i = 0; i < headDim; i++) dot += q[i]! * keys[seen]![kvStart + i]!;
        scores.push(dot * scoreScale);
      }
      const most = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - most));
      const total = powers.reduce((a, b) => a + b, 0);
      for (let n = 0; n < powers.length; n++) {
        const share = powers[n]! / total;
        const value = values[first + n]!;
        for (let i = 0; i < headDim; i++) output[head * headDim + i]! += share * value[kvStart + i]!;
      }
    }
    return this.#project(`${prefix}.o_proj`, output);
  }

  #mlp(layer: number, input: Float64Array): Float64Array {
    const prefix = `model.layers.${layer}.mlp`;
    const gate = this.#project(`${prefix}.gate_proj`, input);
    const up = this.#project(`${prefix}.up_proj`, input);
    const bend = this.#model.type === 'gemma3_text' ? geluTanh : silu;
    return this.#project(
      `${prefix}.down_proj`,
      gate.map((value, i) => bend(value) * up[i]!),
    );
  }

  #project(name: string, input: Float64Array): Float64Array {
    const output = multiply(this.#weight(`${name}.weight`), input);
    const bias = this.#model.weights.get(`${name}.bias`);
    if (bias) for (let i = 0; i < output.length; i++) output[i]! += bias[i]!;
    return output;
  }

  #norm(name: string, input: Float64Array): Float64Array {
    const weight = this.#weight(name);
    const plus = this.#model.type === 'gemma3_text' ? 1 : 0;
    let squares = 0;
    for (const value of input) squares += value * value;
    const scale = 1 / Math.sqrt(squares / input.length + this.#model.eps);
    return input.map((value, i) => value * scale * (weight[i]! + plus));
  }

  #normHeads(name: string, vector: Float64Array): void {
    const { headDim } = this.#model;
    for (let at = 0; at < vector.length; at += headDim) vector.set(this.#norm(name, vector.slice(at, at + headDim)), at);
  }

  /** Rotates pairs (i, i + headDim / 2) of every head. */
  #rotate(layer: number, vector: Float64Array, position: number): void {
    const { headDim } = this.#model;
    const { frequencies } = this.#model.layers[layer]!;
    const half = headDim / 2;
    for (let at = 0; at < vector.length; at += headDim) {
      for (let i = 0; i < half; i++) {
        const cos = Math.cos(position * frequencies[i]!);
        const sin = Math.sin(position * frequencies[i]!);
        const [a, b] = [vector[at + i]!, vector[at + half + i]!];
        vector[at + i] = a * cos - b * sin;
        vector[at + half + i] = b * cos + a * sin;
      }
    }
  }

  #weight(name: string): Float64Array | Float32Array {
    const weight = this.#model.weights.get(name);
    if (!weight) throw new Error(`The checkpoint has no ${name}.`);
    return weight;
  }
}

function multiply(weight: Float32Array | Float64Array, input: Float64Array): Float64Array {
  const output = new Float64Array(weight.length / input.length);
  for (let row = 0; row < output.length; row++) {
    const start = row * input.length;
    let sum = 0;
    for (let i = 0; i < input.length; i++) sum += weight[start + i]! * input[i]!;
    output[row] = sum;
  }
  return output;
}

function silu(value: number): number {
  return value / (1 + Math.exp(-value));
}

function geluTanh(value: number): number {
  return 0.5 * value * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
}

/** Logits after the last token and, per layer, the residual stream of every position. */
export function forwardReference(
  model: ReferenceModel,
  tokens: readonly number[],
): { logits: Float64Array; hidden: Float64Array[][] } {
  const session = new ReferenceSession(model);
  const hidden: Float64Array[][] = model.layers.map(() => []);
  let logits = new Float64Array();
  tokens.forEach((token, at) => {
    const last = at === tokens.length - 1;
    const result = session.step(token, last);
    for (const [layer, row] of result.hidden.entries()) hidden[layer]!.push(row);
    if (result.logits) logits = Float64Array.from(result.logits);
  });
  return { logits, hidden };
}

/** `n` greedy tokens, ties to the lowest id. `minMargin` is the smallest distance between the two best logits on the way. */
export function greedyReference(
  model: ReferenceModel,
  prompt: readonly number[],
  n: number,
): { ids: number[]; minMargin: number } {
  const session = new ReferenceSession(model);
  for (const token of prompt.slice(0, -1)) session.step(token, false);
  const ids: number[] = [];
  let minMargin = Number.POSITIVE_INFINITY;
  let token = prompt.at(-1)!;
  while (ids.length < n) {
    const logits = session.step(token).logits!;
    let best = 0;
    let second = -1;
    for (let id = 1; id < logits.length; id++) {
      if (logits[id]! > logits[best]!) [second, best] = [best, id];
      else if (second < 0 || logits[id]! > logits[second]!) second = id;
    }
    minMargin = Math.min(minMargin, logits[best]! - logits[second]!);
    ids.push(best);
    token = best;
  }
  return { ids, minMargin };
}
