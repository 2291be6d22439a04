/**
 * Everything that can be wrong with a checkpoint without reading its weights: it is all checked here, before anything is stored.
 * What comes out is a plan that `convertCheckpoint` follows.
 */
import { VesselError } from '../protocol/errors.ts';
import type { Architecture } from './architecture.ts';
import { type BlobLayout, layOutBlob, maxBlobBytes, type WeightEncoding, weightEncodings } from './blob-layout.ts';
import { CheckpointFiles } from './checkpoint-files.ts';
import type { CheckpointSource } from './checkpoint-source.ts';
import type { Json } from './families/config-reader.ts';
import { readArchitecture } from './families/read-architecture.ts';
import { findTensors } from './find-tensors.ts';
import type { ModelDtype } from './manifest.ts';
import { readTokenizer, type TokenizerFiles, tokenId } from './read-tokenizer.ts';
import type { TensorLocation } from './safetensors.ts';
import { embeddingWeights, headWeights, layerWeights, type TensorNames, type WeightSpec } from './weights.ts';

export interface CheckpointPlan {
  architecture: Architecture;
  stopIds: number[];
  tokenizer: TokenizerFiles;
  tensors: ReadonlyMap<string, TensorLocation>;
  embedding: BlobLayout;
  layers: BlobLayout[];
  head: BlobLayout;
  /** Bytes of weights that conversion reads. */
  sourceBytes: number;
}

export interface InspectOptions {
  dtype: ModelDtype;
  /** Of one blob; lower in tests. */
  maxBlobBytes?: number;
}

/** Reads configuration, tokenizer and headers. Throws `bad_checkpoint` with a reason a person understands. */
export async function inspectCheckpoint(source: CheckpointSource, options: InspectOptions): Promise<CheckpointPlan> {
  const files = await CheckpointFiles.list(source);
  const config = await files.requireObject('config.json');
  const architecture = readArchitecture(config);
  const tensors = await findTensors(files);
  const names = findNames(tensors, config);

  const used = new Set<string>();
  const limit = options.maxBlobBytes ?? maxBlobBytes;
  const layOut = (what: string, specs: WeightSpec[]) => {
    const found = specs.map((spec) => {
      used.add(spec.from);
      return { spec, encoding: requireTensor(tensors, spec) };
    });
    return layOutBlob(what, options.dtype, found, limit);
  };
  const embedding = layOut('embedding', embeddingWeights(architecture, names));
  const layers = Array.from({ length: architecture.layers }, (_, i) =>
    layOut(`layer ${i}`, layerWeights(architecture, names, i)),
  );
  const head = layOut('head', headWeights(architecture, names));
  refuseUnknown(tensors, used, architecture, names);

  const tokenizer = await readTokenizer(files, architecture.vocab);
  const stopIds = await readStopIds(files, config, tokenizer, architecture.vocab);
  const sourceBytes = [...used].reduce((sum, name) => sum + tensors.get(name)!.length, 0);
  return { architecture, stopIds, tokenizer, tensors, embedding, layers, head, sourceBytes };
}

/** Multimodal checkpoints keep the language model under a longer name; which one depends on the version that wrote them. */
function findNames(tensors: ReadonlyMap<string, TensorLocation>, config: Json): TensorNames {
  if (config.model_type === 'gemma3') {
    for (const [model, head] of [
      ['language_model.model.', 'language_model.lm_head.weight'],
      ['model.language_model.', 'lm_head.weight'],
    ] as const) {
      if (tensors.has(`${model}embed_tokens.weight`)) return { model, head };
    }
  }
  return { model: 'model.', head: 'lm_head.weight' };
}

/** The encoding of a tensor that must be there with this shape. */
function requireTensor(tensors: ReadonlyMap<string, TensorLocation>, spec: WeightSpec): WeightEncoding {
  const found = tensors.get(spec.from);
  if (!found)
    throw new VesselError('bad_checkpoint', `The checkpoint lacks the tensor ${spec.from} that its config.json calls for.`);
  const shape = spec.form === 'vector' ? [spec.columns] : [spec.rows, spec.columns];
  if (found.shape.join() !== shape.join()) {
    throw new VesselError(
      'bad_checkpoint',
      `Tensor ${spec.from} has the shape [${found.shape.join(', ')}]; config.json calls for [${shape.join(', ')}].`,
    );
  }
  if (!isEncoding(found.dtype)) {
    throw new VesselError(
      'bad_checkpoint',
      `Tensor ${spec.from} is ${found.dtype}; supported are ${Object.keys(weightEncodings).join(', ')}.`,
    );
  }
  return found.dtype;
}

function isEncoding(dtype: string): dtype is WeightEncoding {
  return Object.hasOwn(weightEncodings, dtype);
}

/** A tensor nobody uses means that the model computes something this reading of it leaves out. */
function refuseUnknown(
  tensors: ReadonlyMap<string, TensorLocation>,
  used: ReadonlySet<string>,
  architecture: Architecture,
  names: TensorNames,
): void {
  const unknown = [...tensors.keys()].filter((name) => {
    if (used.has(name) || /\.rotary_emb\.inv_freq$/.test(name)) return false;
    if (architecture.tiedEmbedding && name === names.head) return false;
    return names.model === 'model.' || !/^(model\.)?(vision_tower|multi_modal_projector)\./.test(name);
  });
  if (unknown.length === 0) return;
  const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : '';
  throw new VesselError(
    'bad_checkpoint',
    `The checkpoint has tensors that its config.json does not explain: ${unknown.slice(0, 3).join(', ')}${more}.`,
  );
}

/** Ids that end an answer: of the generation config, else of the config; and the tokenizer's own end token. */
async function readStopIds(files: CheckpointFiles, config: Json, tokenizer: TokenizerFiles, vocab: number): Promise<number[]> {
  const generation = await files.object('generation_config.json');
  const nested = config.text_config as Json | undefined;
  const named: unknown = generation?.eos_token_id ?? config.eos_token_id ?? nested?.eos_token_id ?? [];
  const ids = new Set<number>();
  for (const id of Array.isArray(named) ? named : [named]) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocab) {
      throw new VesselError('bad_checkpoint', `eos_token_id ${JSON.stringify(id)} is not an id below the vocabulary's ${vocab}.`);
    }
    ids.add(id);
  }
  const end = tokenId(tokenizer, tokenizer.config.eos_token);
  if (end !== null) ids.add(end);
  if (ids.size > 64) throw new VesselError('bad_checkpoint', `The checkpoint names ${ids.size} stop tokens; 64 are the most.`);
  return [...ids];
}
