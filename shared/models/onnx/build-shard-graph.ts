/**
 * The ONNX graph of layers [from, to) of a language model, built from its architecture (design M1, M3).
 *
 *   inputs   ids i64 [1, tokens] (first shard) or hidden f32 [1, tokens, hidden]
 *            seqlens_k i32 [1] = positions after this step - 1, total_sequence_length i32 [1] = positions after this step
 *            past.<layer>.k/.v [1, kvHeads, past, paddedHeadDim] for each layer
 *   outputs  hidden.out f32 [1, tokens, hidden], or logits f32 [1, vocab] of the last position (last shard)
 *            present.<layer>.k/.v [1, kvHeads, present, paddedHeadDim]
 *
 * The residual stream and every norm over it stay f32 even with f16 arithmetic: deep models leave f16's range there, and a
 * boundary is then the same number on both sides. A rotary cache row, a KV cell and a head are `paddedHeadDim` wide.
 */

import { VesselError } from '../../protocol/errors.ts';
import { type Architecture, paddedHeadDim } from '../architecture.ts';
import { type LanguageManifest, quantBlock, type WeightBlob } from '../manifest.ts';
import { GraphWriter } from './graph-writer.ts';
import { encodeOnnxModel, type OnnxValue } from './onnx-model.ts';
import { type LinearSize, type PlannedWeight, packedBits, requireTensor, WeightPlan } from './weight-plan.ts';

export interface ShardGraphOptions {
  manifest: LanguageManifest;
  from: number;
  to: number;
  arithmetic: 'f32' | 'f16';
  /** How q4/q8 weights are held: packed for MatMulNBits, or expanded exactly. Others are always dense. */
  weights: 'dense' | 'packed';
  /** Rows of the rotary caches: positions any KV cache of this shard may have. */
  context: number;
}

export interface ShardGraph {
  /** Serialized ModelProto; its initializers lie in the files that `weights` describes. */
  model: Uint8Array<ArrayBuffer>;
  weights: PlannedWeight[];
}

export function buildShardGraph(options: ShardGraphOptions): ShardGraph {
  return new ShardGraphBuilder(options).build();
}

class ShardGraphBuilder {
  readonly #options: ShardGraphOptions;
  readonly #architecture: Architecture;
  readonly #graph = new GraphWriter();
  readonly #plan: WeightPlan;
  readonly #packed: boolean;
  readonly #inputs: OnnxValue[] = [];
  readonly #outputs: OnnxValue[] = [];

  constructor(options: ShardGraphOptions) {
    this.#options = options;
    this.#architecture = options.manifest.architecture;
    this.#plan = new WeightPlan(this.#architecture);
    this.#packed = options.weights === 'packed' && this.#isQuantized;
    const { from, to, manifest } = options;
    const { layers, attention } = this.#architecture;
    if (manifest.layers.length !== layers || attention.length !== layers) {
      throw new VesselError('bad_checkpoint', `The manifest does not describe each of its ${layers} layers.`);
    }
    if (!(Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from < to && to <= layers)) {
      throw new VesselError('bad_request', `Layers ${from} to ${to} are not a range of this model's ${layers} layers.`);
    }
  }

  get #isQuantized(): boolean {
    const { dtype } = this.#options.manifest;
    return dtype === 'q4' || dtype === 'q8';
  }

  build(): ShardGraph {
    const { from, to } = this.#options;
    const { layers, hidden } = this.#architecture;
    let stream = from === 0 ? this.#embed() : this.#input('hidden', 'f32', [1, 'tokens', hidden]);
    this.#input('seqlens_k', 'i32', [1]);
    this.#input('total_sequence_length', 'i32', [1]);
    let pending: string | null = null;
    for (let layer = from; layer < to; layer++) [stream, pending] = this.#layer(layer, stream, pending);
    if (to === layers) this.#head(stream, pending!);
    else this.#output(this.#graph.op('Add', [stream, pending!], {}, 'hidden.out'), 'f32', [1, 'tokens', hidden]);
    const { nodes, constants } = this.#graph;
    const externals = this.#plan.weights;
    const model = encodeOnnxModel({ nodes, constants, externals, inputs: this.#inputs, outputs: this.#outputs });
    return { model, weights: externals };
  }

  /** Returns the residual stream and what the layer's MLP still has to add to it: the next norm does both in one kernel. */
  #layer(layer: number, stream: string, pending: string | null): [string, string] {
    const { sandwichNorms } = this.#architecture;
    const [before, attentionInput] = this.#addNorm(layer, 'norm.attention', stream, pending);
    let attended = this.#attention(layer, attentionInput);
    if (sandwichNorms) attended = this.#norm(layer, 'norm.attention-out', attended);
    const [middle, mlpInput] = this.#addNorm(layer, 'norm.mlp', before, attended);
    let fed = this.#mlp(layer, mlpInput);
    if (sandwichNorms) fed = this.#norm(layer, 'norm.mlp-out', fed);
    return [middle, fed];
  }

  #attention(layer: number, normed: string): string {
    const { heads, kvHeads, headDim, hidden, qkNorm, bias, attentionScale, attention, rotaries } = this.#architecture;
    const { context, arithmetic } = this.#options;
    const padded = paddedHeadDim(headDim);
    const input = this.#toArithmetic(normed);
    const project = (name: string, count: number): string => {
      const projected = this.#linear(layer, name, input, { in: hidden, out: count * padded }, bias.qkv);
      return qkNorm && name !== 'v' ? this.#headNorm(layer, `${name}.norm`, projected, count) : projected;
    };
    const [q, k, v] = [project('q', heads), project('k', kvHeads), project('v', kvHeads)];
    const { window, rotary } = attention[layer]!;
    if (rotaries[rotary] === undefined)
      throw new VesselError('bad_checkpoint', `Layer ${layer} names a rotary that is not there.`);
    const cos = this.#plan.rotary(rotary, context, 'cos', arithmetic);
    const sin = this.#plan.rotary(rotary, context, 'sin', arithmetic);
    const cell = (side: string): (number | string)[] => [1, kvHeads, side, padded];
    const past = ['k', 'v'].map((part) => this.#input(`past.${layer}.${part}`, arithmetic, cell('past')));
    const present = ['k', 'v'].map((part) => this.#output(`present.${layer}.${part}`, arithmetic, cell('present')));
    const output = this.#graph.name('attended');
    this.#graph.contrib(
      'GroupQueryAttention',
      [q, k, v, ...past, 'seqlens_k', 'total_sequence_length', cos, sin],
      [output, ...present],
      {
        num_heads: heads,
        kv_num_heads: kvHeads,
        scale: { f: attentionScale },
        do_rotary: 1,
        rotary_interleaved: 0,
        ...(window === null ? {} : { local_window_size: window }),
      },
    );
    return this.#fromArithmetic(this.#linear(layer, 'o', output, { in: heads * padded, out: hidden }, bias.out));
  }

  #mlp(layer: number, normed: string): string {
    const { hidden, intermediate, activation, bias } = this.#architecture;
    const input = this.#toArithmetic(normed);
    const gate = this.#linear(layer, 'gate', input, { in: hidden, out: intermediate }, bias.mlp);
    const up = this.#linear(layer, 'up', input, { in: hidden, out: intermediate }, bias.mlp);
    const bent =
      activation === 'silu'
        ? this.#graph.op('Mul', [gate, this.#graph.op('Sigmoid', [gate])])
        : this.#graph.op('Gelu', [gate], { approximate: 'tanh' });
    const product = this.#graph.op('Mul', [bent, up]);
    return this.#fromArithmetic(this.#linear(layer, 'down', product, { in: intermediate, out: hidden }, bias.mlp));
  }

  #linear(layer: number, name: string, input: string, size: LinearSize, hasBias: boolean): string {
    const { manifest, arithmetic } = this.#options;
    const blob = manifest.layers[layer]!;
    const group = `layer.${layer}`;
    let output: string;
    if (this.#packed) {
      output = this.#matMulPacked(group, blob, name, input, size);
    } else {
      const weight = this.#isQuantized
        ? this.#plan.dequantized(group, blob, name, arithmetic, size, 'columns')
        : this.#plan.stored(group, blob, `${name}.weight`, arithmetic, [size.in, size.out]);
      output = this.#graph.op('MatMul', [input, weight]);
    }
    if (!hasBias) return output;
    return this.#graph.op('Add', [output, this.#plan.stored(group, blob, `${name}.bias`, arithmetic, [size.out])]);
  }

  #matMulPacked(group: string, blob: WeightBlob, name: string, input: string, size: LinearSize): string {
    const bits = packedBits(requireTensor(blob, `${name}.weight`), size);
    const blocks = Math.ceil(size.in / quantBlock);
    const weight = this.#plan.stored(group, blob, `${name}.weight`, 'u8', [size.out, blocks, (quantBlock * bits) / 8]);
    const scales = this.#plan.stored(group, blob, `${name}.scales`, this.#options.arithmetic, [size.out * blocks]);
    const output = this.#graph.name('linear');
    // accuracy_level 1 keeps the activations in f32; 4 would round them to int8 and part CPU and GPU by a percent.
    const attributes = { K: size.in, N: size.out, bits, block_size: quantBlock, accuracy_level: 1 };
    this.#graph.contrib('MatMulNBits', [input, weight, scales], [output], attributes);
    return output;
  }

  #embed(): string {
    const { manifest, arithmetic } = this.#options;
    const { vocab, hidden, embeddingScale } = this.#architecture;
    const ids = this.#input('ids', 'i64', [1, 'tokens']);
    const blob = manifest.embedding;
    let rows: string;
    if (this.#packed) {
      const bits = packedBits(requireTensor(blob, 'embedding.weight'), { in: hidden, out: vocab });
      const blocks = Math.ceil(hidden / quantBlock);
      const weight = this.#plan.stored('embedding', blob, 'embedding.weight', 'u8', [vocab, (blocks * quantBlock * bits) / 8]);
      const scales = this.#plan.stored('embedding', blob, 'embedding.scales', arithmetic, [vocab, blocks]);
      rows = this.#graph.name('rows');
      const attributes = { gather_axis: 0, quantize_axis: 1, block_size: quantBlock, bits };
      this.#graph.contrib('GatherBlockQuantized', [weight, ids, scales], [rows], attributes);
      if (blocks * quantBlock !== hidden) {
        const [start, end, axis] = [this.#graph.int64([0]), this.#graph.int64([hidden]), this.#graph.int64([2])];
        rows = this.#graph.op('Slice', [rows, start, end, axis]);
      }
    } else {
      rows = this.#graph.op('Gather', [this.#denseRows('embedding', blob, 'embedding'), ids], { axis: 0 });
    }
    const embedded = this.#fromArithmetic(rows);
    return embeddingScale === 1 ? embedded : this.#graph.op('Mul', [embedded, this.#graph.float(embeddingScale)]);
  }

  #head(stream: string, pending: string): void {
    const { manifest } = this.#options;
    const { vocab, hidden, normEps, tiedEmbedding } = this.#architecture;
    const gain = this.#plan.stored('head', manifest.head, 'norm.final', 'f32', [hidden]);
    const sum = this.#graph.op('Add', [stream, pending]);
    const last = this.#graph.op('Gather', [sum, this.#graph.int64([-1], true)], { axis: 1 });
    const normed = this.#toArithmetic(this.#simplifiedNorm(last, gain, normEps));
    const blob = tiedEmbedding ? manifest.embedding : manifest.head;
    const name = tiedEmbedding ? 'embedding' : 'head';
    const logits = this.#packed
      ? this.#matMulPacked(name, blob, name, normed, { in: hidden, out: vocab })
      : this.#graph.op('Gemm', [normed, this.#denseRows(name, blob, name)], { transB: 1 });
    this.#output(this.#fromArithmetic(logits, 'logits'), 'f32', [1, vocab]);
  }

  #denseRows(group: string, blob: WeightBlob, name: string): string {
    const { vocab, hidden } = this.#architecture;
    const { arithmetic } = this.#options;
    if (this.#isQuantized) return this.#plan.dequantized(group, blob, name, arithmetic, { in: hidden, out: vocab }, 'rows');
    return this.#plan.stored(group, blob, `${name}.weight`, arithmetic, [vocab, hidden]);
  }

  #norm(layer: number, name: string, input: string): string {
    const { hidden, normEps } = this.#architecture;
    const gain = this.#plan.stored(`layer.${layer}`, this.#options.manifest.layers[layer]!, name, 'f32', [hidden]);
    return this.#simplifiedNorm(input, gain, normEps);
  }

  /** [stream + pending, its norm]. */
  #addNorm(layer: number, name: string, stream: string, pending: string | null): [string, string] {
    if (pending === null) return [stream, this.#norm(layer, name, stream)];
    const { hidden, normEps } = this.#architecture;
    const gain = this.#plan.stored(`layer.${layer}`, this.#options.manifest.layers[layer]!, name, 'f32', [hidden]);
    const [normed, sum] = [this.#graph.name('normed'), this.#graph.name('stream')];
    this.#graph.contrib('SkipSimplifiedLayerNormalization', [stream, pending, gain], [normed, '', '', sum], {
      epsilon: { f: normEps },
    });
    return [sum, normed];
  }

  /**
   * RMS norm over each head. The mean runs over the padded head, whose extra cells are zero: with eps scaled by
   * headDim / padded here and the gains by its square root in the blob, the result is that of the true head.
   */
  #headNorm(layer: number, name: string, input: string, count: number): string {
    const { headDim, normEps } = this.#architecture;
    const { manifest, arithmetic } = this.#options;
    const padded = paddedHeadDim(headDim);
    const gain = this.#plan.stored(`layer.${layer}`, manifest.layers[layer]!, name, arithmetic, [padded]);
    const perHead = this.#graph.op('Reshape', [input, this.#graph.int64([1, -1, count, padded])]);
    const normed = this.#simplifiedNorm(perHead, gain, (normEps * headDim) / padded);
    return this.#graph.op('Reshape', [normed, this.#graph.int64([1, -1, count * padded])]);
  }

  #simplifiedNorm(input: string, gain: string, epsilon: number): string {
    return this.#graph.op('SimplifiedLayerNormalization', [input, gain], { axis: -1, epsilon: { f: epsilon }, stash_type: 1 });
  }

  #toArithmetic(value: string): string {
    return this.#options.arithmetic === 'f32' ? value : this.#graph.op('Cast', [value], { to: 10 });
  }

  /** To f32, under `name` if one is given. */
  #fromArithmetic(value: string, name?: string): string {
    if (this.#options.arithmetic === 'f16') return this.#graph.op('Cast', [value], { to: 1 }, name);
    return name === undefined ? value : this.#graph.renameLast(name);
  }

  #input(name: string, type: OnnxValue['type'], shape: OnnxValue['shape']): string {
    this.#inputs.push({ name, type, shape });
    return name;
  }

  #output(name: string, type: OnnxValue['type'], shape: OnnxValue['shape']): string {
    this.#outputs.push({ name, type, shape });
    return name;
  }
}
