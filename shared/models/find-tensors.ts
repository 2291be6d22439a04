/** Finds every tensor of a checkpoint: one model.safetensors, or several files with an index. */
import { VesselError } from '../protocol/errors.ts';
import type { CheckpointFiles } from './checkpoint-files.ts';
import { readSafetensorsHeader, type TensorLocation } from './safetensors.ts';

const single = 'model.safetensors';
const indexName = 'model.safetensors.index.json';

/** Name to place, over all files. Throws `bad_checkpoint` with the reason. */
export async function findTensors(files: CheckpointFiles): Promise<Map<string, TensorLocation>> {
  if (files.names.has(single)) return readSafetensorsHeader(files.source, single);
  const index = await files.object(indexName);
  if (!index) throw new VesselError('bad_checkpoint', whyNoWeights(files.names));
  const weightMap: unknown = index.weight_map;
  if (typeof weightMap !== 'object' || weightMap === null) {
    throw new VesselError('bad_checkpoint', `${indexName} has no "weight_map".`);
  }
  const entries = Object.entries(weightMap).map(([name, file]: [string, unknown]): [string, string] => {
    if (typeof file === 'string') return [name, file];
    throw new VesselError('bad_checkpoint', `${indexName} does not say in which file ${name} is.`);
  });
  const found = new Map<string, TensorLocation>();
  for (const file of [...new Set(entries.map(([, file]) => file))].sort()) {
    if (!files.names.has(file)) {
      throw new VesselError('bad_checkpoint', `${indexName} names ${file}, which is not in the folder. Download it too.`);
    }
    for (const [name, location] of await readSafetensorsHeader(files.source, file)) {
      const other = found.get(name);
      if (other) throw new VesselError('bad_checkpoint', `Tensor ${name} is in both ${other.file} and ${file}.`);
      found.set(name, location);
    }
  }
  for (const [name, file] of entries) {
    if (found.get(name)?.file !== file) {
      throw new VesselError('bad_checkpoint', `${indexName} says that ${name} is in ${file}, but it is not.`);
    }
  }
  return found;
}

function whyNoWeights(names: ReadonlySet<string>): string {
  const all = [...names];
  if (all.some((name) => /\.safetensors$/.test(name))) {
    return `The folder has safetensors files but neither ${single} nor ${indexName}. Download the index too.`;
  }
  if (all.some((name) => /\.(bin|pt|pth)$/.test(name))) {
    return 'The folder has PyTorch weights only. Vessel reads safetensors, which cannot run code: look for a revision that has them, or convert it.';
  }
  if (all.some((name) => /\.gguf$/.test(name))) return 'The folder has GGUF weights only. Vessel reads safetensors.';
  return `The folder has no ${single}.`;
}
