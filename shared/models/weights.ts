/**
 * Which tensors of a Hugging Face checkpoint make which tensors of Vessel's blobs: names, shapes, and how heads are padded.
 * The layout itself (dtypes, offsets) is in `blob-layout.ts`.
 */
import { type Architecture, paddedHeadDim } from './architecture.ts';

/**
 * `linear`: [out, in] in the checkpoint, [in, out] (or packed rows) in the blob. `table`: [vocab, hidden] in both.
 * `vector`: f32 in the blob, (value + add) * multiply.
 */
export interface WeightSpec {
  /** In the blob, e.g. "q.weight". */
  name: string;
  /** In the checkpoint, e.g. "model.layers.0.self_attn.q_proj.weight". */
  from: string;
  form: 'linear' | 'table' | 'vector';
  /** In the checkpoint: [rows, columns]; a vector has one row. */
  rows: number;
  columns: number;
  /** Place of each row or column among the padded ones; null where nothing is padded. */
  rowPlaces: Int32Array | null;
  columnPlaces: Int32Array | null;
  paddedRows: number;
  paddedColumns: number;
  add: number;
  multiply: number;
}

/** What the tensors' names start with and what the head is called: both differ in multimodal checkpoints. */
export interface TensorNames {
  /** e.g. "model." */
  model: string;
  /** e.g. "lm_head.weight" */
  head: string;
}

export function embeddingWeights(architecture: Architecture, names: TensorNames): WeightSpec[] {
  return [table('embedding.weight', `${names.model}embed_tokens.weight`, architecture)];
}

export function headWeights(architecture: Architecture, names: TensorNames): WeightSpec[] {
  const norm = normVector('norm.final', `${names.model}norm.weight`, architecture);
  return architecture.tiedEmbedding ? [norm] : [norm, table('head.weight', names.head, architecture)];
}

export function layerWeights(architecture: Architecture, names: TensorNames, layer: number): WeightSpec[] {
  const { hidden, intermediate, heads, kvHeads, headDim, bias, qkNorm, sandwichNorms } = architecture;
  const prefix = `${names.model}layers.${layer}.`;
  const norm = (name: string, from: string) => normVector(name, `${prefix}${from}.weight`, architecture);
  const qPlaces = headPlaces(heads, headDim);
  const kvPlaces = headPlaces(kvHeads, headDim);
  const oneHead = headPlaces(1, headDim);
  const q = heads * headDim;
  const kv = kvHeads * headDim;
  const paddedQ = heads * paddedHeadDim(headDim);
  const paddedKv = kvHeads * paddedHeadDim(headDim);

  const specs = sandwichNorms
    ? [
        norm('norm.attention', 'input_layernorm'),
        norm('norm.mlp', 'pre_feedforward_layernorm'),
        norm('norm.attention-out', 'post_attention_layernorm'),
        norm('norm.mlp-out', 'post_feedforward_layernorm'),
      ]
    : [norm('norm.attention', 'input_layernorm'), norm('norm.mlp', 'post_attention_layernorm')];

  const attention = `${prefix}self_attn.`;
  const mlp = `${prefix}mlp.`;
  specs.push(
    padRows(linear('q.weight', `${attention}q_proj.weight`, q, hidden), qPlaces, paddedQ),
    padRows(linear('k.weight', `${attention}k_proj.weight`, kv, hidden), kvPlaces, paddedKv),
    padRows(linear('v.weight', `${attention}v_proj.weight`, kv, hidden), kvPlaces, paddedKv),
    padColumns(linear('o.weight', `${attention}o_proj.weight`, hidden, q), qPlaces, paddedQ),
    linear('gate.weight', `${mlp}gate_proj.weight`, intermediate, hidden),
    linear('up.weight', `${mlp}up_proj.weight`, intermediate, hidden),
    linear('down.weight', `${mlp}down_proj.weight`, hidden, intermediate),
  );
  if (bias.qkv) {
    specs.push(
      padColumns(vector('q.bias', `${attention}q_proj.bias`, q), qPlaces, paddedQ),
      padColumns(vector('k.bias', `${attention}k_proj.bias`, kv), kvPlaces, paddedKv),
      padColumns(vector('v.bias', `${attention}v_proj.bias`, kv), kvPlaces, paddedKv),
    );
  }
  if (bias.out) specs.push(vector('o.bias', `${attention}o_proj.bias`, hidden));
  if (bias.mlp) {
    specs.push(
      vector('gate.bias', `${mlp}gate_proj.bias`, intermediate),
      vector('up.bias', `${mlp}up_proj.bias`, intermediate),
      vector('down.bias', `${mlp}down_proj.bias`, hidden),
    );
  }
  if (qkNorm) {
    // The mean square over a padded head divides by paddedHeadDim instead of headDim; the weight makes up for it.
    const multiply = Math.sqrt(headDim / paddedHeadDim(headDim));
    for (const part of ['q', 'k']) {
      const spec = vector(`${part}.norm`, `${attention}${part}_norm.weight`, headDim);
      specs.push({ ...padColumns(spec, oneHead, paddedHeadDim(headDim)), add: normOffset(architecture), multiply });
    }
  }
  return specs;
}

/**
 * Where each of `heads * headDim` values goes among `heads * paddedHeadDim`: rotary turns value i of a head with value
 * i + headDim / 2, so each half starts at the start of a padded half. Null where no padding is needed.
 */
export function headPlaces(heads: number, headDim: number): Int32Array | null {
  const padded = paddedHeadDim(headDim);
  if (padded === headDim) return null;
  const half = headDim / 2;
  return Int32Array.from({ length: heads * headDim }, (_, i) => {
    const within = i % headDim;
    return Math.floor(i / headDim) * padded + (within < half ? within : padded / 2 + within - half);
  });
}

/** Gemma stores norm weights as their distance from 1. */
function normOffset(architecture: Architecture): number {
  return architecture.family === 'gemma3' ? 1 : 0;
}

function spec(form: WeightSpec['form'], name: string, from: string, rows: number, columns: number): WeightSpec {
  return {
    name,
    from,
    form,
    rows,
    columns,
    rowPlaces: null,
    columnPlaces: null,
    paddedRows: rows,
    paddedColumns: columns,
    add: 0,
    multiply: 1,
  };
}

function linear(name: string, from: string, outputs: number, inputs: number): WeightSpec {
  return spec('linear', name, from, outputs, inputs);
}

function vector(name: string, from: string, length: number): WeightSpec {
  return spec('vector', name, from, 1, length);
}

function normVector(name: string, from: string, architecture: Architecture): WeightSpec {
  return { ...vector(name, from, architecture.hidden), add: normOffset(architecture) };
}

function table(name: string, from: string, { vocab, hidden }: Architecture): WeightSpec {
  return spec('table', name, from, vocab, hidden);
}

function padRows(weight: WeightSpec, rowPlaces: Int32Array | null, paddedRows: number): WeightSpec {
  return { ...weight, rowPlaces, paddedRows };
}

function padColumns(weight: WeightSpec, columnPlaces: Int32Array | null, paddedColumns: number): WeightSpec {
  return { ...weight, columnPlaces, paddedColumns };
}
