/**
 * What a model is, every byte pinned. A manifest is canonical JSON; its CID is the model's id. Weights lie in blobs, one per
 * layer plus embedding and head, so that any contiguous layer range can be loaded without the rest (design M1).
 *
 * Layout of a language model's blobs (all little-endian, every tensor starts at a multiple of 64 bytes):
 *
 *   embedding   embedding.weight [vocab, hidden]           (q4/q8: packed rows, + embedding.scales)
 *   layer       norm.attention, norm.mlp [hidden]          f32; Gemma's (1 + w) already added
 *               norm.attention-out, norm.mlp-out [hidden]  only with sandwichNorms
 *               q.weight k.weight v.weight o.weight gate.weight up.weight down.weight
 *               q.bias k.bias v.bias o.bias gate.bias up.bias down.bias   f32, where the architecture has them
 *               q.norm k.norm [paddedHeadDim]              f32, corrected for the padding (see graph builder)
 *   head        norm.final [hidden] f32; head.weight [vocab, hidden] unless tied (+ head.scales)
 *
 * Dense linear weights are [in, out], the transpose of a Hugging Face checkpoint; head and embedding stay [vocab, hidden].
 * q/k/v columns and o rows are laid out with padded heads, zeros in the padding.
 * q4/q8 linear weights are MatMulNBits' B: u8 [out, ceil(in/32), 32*bits/8], zero point 8 or 128, with
 * `<name>.scales` f16 [out, ceil(in/32)]; `head` and `embedding` use the same packing with out = vocab, in = hidden.
 */
import { z } from 'zod';
import type { Architecture } from './architecture.ts';

export const manifestFormat = 'vessel-model/1';
export const leafBytes = 1 << 20;
export const quantBlock = 32;
export const maxLayers = 1024;

export const tensorDtypes = ['f32', 'f16', 'bf16', 'u8'] as const;
export type TensorDtype = (typeof tensorDtypes)[number];
/**
 * The numeric class of a language model. `f32`: f32 arithmetic, weights kept in the checkpoint's own encoding (f32, f16 or
 * bf16: all of them expand to f32 without loss). `f16`: f16 weights, f16 arithmetic where the device has it. `q8`, `q4`:
 * symmetric blocks of 32, f32 arithmetic.
 */
export const modelDtypes = ['f32', 'f16', 'q8', 'q4'] as const;
export type ModelDtype = (typeof modelDtypes)[number];

const count = z.number().int().positive();
const cid = z.string().regex(/^b[a-z2-7]{20,120}$/);

export const tensorRefSchema = z.strictObject({
  dtype: z.enum(tensorDtypes),
  shape: z.array(count).max(4),
  /** Bytes from the start of the blob. */
  offset: z.number().int().nonnegative(),
  /** Bytes. */
  length: count,
});
export type TensorRef = z.infer<typeof tensorRefSchema>;

export const blobRefSchema = z.strictObject({
  cid,
  bytes: count,
  /** Hex sha2-256 of each 1 MiB leaf in order: a range can be checked without the rest. */
  leaves: z.array(z.string().regex(/^[0-9a-f]{64}$/)),
});
export type BlobRef = z.infer<typeof blobRefSchema>;

export const weightBlobSchema = z.strictObject({ ...blobRefSchema.shape, tensors: z.record(z.string(), tensorRefSchema) });
export type WeightBlob = z.infer<typeof weightBlobSchema>;

const rotarySchema = z.strictObject({
  theta: z.number().positive(),
  scaling: z.union([
    z.null(),
    z.strictObject({ kind: z.literal('linear'), factor: z.number().positive() }),
    z.strictObject({
      kind: z.literal('llama3'),
      factor: z.number().positive(),
      lowFrequencyFactor: z.number().positive(),
      highFrequencyFactor: z.number().positive(),
      originalContext: count,
    }),
  ]),
});

export const architectureSchema: z.ZodType<Architecture> = z.strictObject({
  family: z.enum(['llama', 'qwen2', 'qwen3', 'gemma3']),
  layers: count.max(maxLayers),
  hidden: count.max(65_536),
  intermediate: count.max(1_048_576),
  heads: count.max(1024),
  kvHeads: count.max(1024),
  headDim: count.max(1024),
  vocab: count.max(4_194_304),
  context: count.max(16_777_216),
  normEps: z.number().positive(),
  activation: z.enum(['silu', 'gelu-tanh']),
  bias: z.strictObject({ qkv: z.boolean(), out: z.boolean(), mlp: z.boolean() }),
  qkNorm: z.boolean(),
  sandwichNorms: z.boolean(),
  embeddingScale: z.number().positive(),
  attentionScale: z.number().positive(),
  tiedEmbedding: z.boolean(),
  rotaries: z.array(rotarySchema).min(1).max(2),
  attention: z.array(z.strictObject({ window: count.nullable(), rotary: z.number().int().min(0).max(1) })),
});

export const languageManifestSchema = z.strictObject({
  format: z.literal(manifestFormat),
  kind: z.literal('language'),
  /** Name people use, e.g. "vessel-tiny" or "Qwen3-0.6B". */
  name: z.string().min(1).max(128),
  dtype: z.enum(modelDtypes),
  architecture: architectureSchema,
  /** Token ids that end an answer. */
  stopIds: z.array(z.number().int().nonnegative()).max(64),
  embedding: weightBlobSchema,
  /** One per layer, in order. */
  layers: z.array(weightBlobSchema),
  head: weightBlobSchema,
  /** tokenizer.json and tokenizer_config.json (with the chat template inside), as one JSON object {tokenizer, config}. */
  tokenizer: blobRefSchema,
  source: z.string().max(512),
});
export type LanguageManifest = z.infer<typeof languageManifestSchema>;

/** A whole ONNX graph behind a service type (image classification, voice activity, …). */
export const graphManifestSchema = z.strictObject({
  format: z.literal(manifestFormat),
  kind: z.literal('graph'),
  name: z.string().min(1).max(128),
  /** Service type: a folder name under `shared/services`. */
  service: z.string().min(1).max(64),
  graph: blobRefSchema,
  /** Read by the service type's own schema. */
  settings: z.record(z.string(), z.json()),
  source: z.string().max(512),
});
export type GraphManifest = z.infer<typeof graphManifestSchema>;

export const manifestSchema = z.discriminatedUnion('kind', [languageManifestSchema, graphManifestSchema]);
export type Manifest = z.infer<typeof manifestSchema>;
