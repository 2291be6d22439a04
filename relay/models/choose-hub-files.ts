import { VesselError } from '../../shared/protocol/errors.ts';

const small =
  /^(config\.json|generation_config\.json|special_tokens_map\.json|tokenizer(_config)?\.json|chat_template[^/]*\.(json|jinja))$/;
export const weightIndex = 'model.safetensors.index.json';

/** The small files of a model repository that an import reads, out of all its paths. Folders are other formats (onnx, gguf). */
export function chooseSmallFiles(paths: readonly string[]): string[] {
  return paths.filter((path) => small.test(path) || path === weightIndex);
}

/**
 * The weight files: the shards that the index names, else model.safetensors, else every safetensors file at the top.
 * Throws `bad_checkpoint` with what is there instead.
 */
export function chooseWeightFiles(
  paths: readonly string[],
  index: { weight_map: Record<string, string> } | null,
  repository: string,
): string[] {
  const here = paths.filter((path) => /^[^/]+\.safetensors$/.test(path));
  if (index) {
    const shards = [...new Set(Object.values(index.weight_map))].sort();
    const missing = shards.find((shard) => !here.includes(shard));
    if (missing === undefined) return shards;
    throw new VesselError(
      'bad_checkpoint',
      `${repository} has no ${missing}, which its ${weightIndex} names. The repository is incomplete.`,
    );
  }
  if (here.includes('model.safetensors')) return ['model.safetensors'];
  if (here.length > 0) return here;
  const other = paths.filter((path) => /\.(bin|gguf|onnx|pt|pth|h5|msgpack)$/.test(path)).slice(0, 3);
  const instead = other.length > 0 ? ` It holds ${other.join(', ')}: look for a safetensors version of this model.` : '';
  throw new VesselError('bad_checkpoint', `${repository} has no safetensors weights.${instead}`);
}
