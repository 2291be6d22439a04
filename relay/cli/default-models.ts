/** The models that come with Vessel: one small language model, and a graph for each service type. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { importModel } from '../models/import-model.ts';
import type { ModelStore, StoredModel } from '../models/model-store.ts';
import type { CommandIo } from './command.ts';
import type { DataFolder } from './data-folder.ts';
import { defaultModelFolder } from './program-files.ts';

export const defaultModel = 'vessel-tiny';

const noHub = () => Promise.reject(new Error('The embedded model needs no hub.'));

/** Adds vessel-tiny if it is not in the store. */
export async function addDefaultModel(
  store: ModelStore,
  data: DataFolder,
  io: Pick<CommandIo, 'stderr' | 'signal'>,
): Promise<StoredModel> {
  const known = await store.find(defaultModel);
  if (known) return known;
  io.stderr.write(`adding ${defaultModel} …\n`);
  return importModel(
    { source: defaultModelFolder()!, name: defaultModel, dtype: 'f32', settings: {} },
    { store, hub: noHub, downloads: data.downloads },
    { signal: io.signal },
  );
}

/** Adds the graphs of the two first service types if they are not in the store. Returns those that are there then. */
export async function addDefaultServices(store: ModelStore, data: DataFolder): Promise<StoredModel[]> {
  const folder = join(defaultModelFolder()!, '..');
  const graphs: StoredModel[] = [];
  for (const { name, file, service, settings } of [
    { name: 'mnist', file: 'mnist/mnist-8.onnx', service: 'image-classification', settings: {} },
    { name: 'silero-vad', file: 'silero-vad/silero_vad_16k_op15.onnx', service: 'voice-activity', settings: {} },
  ]) {
    const source = join(folder, file);
    const known = await store.find(name);
    if (known) graphs.push(known);
    if (known || !existsSync(source)) continue;
    const what = { source, name, dtype: 'f32', service, settings } as const;
    graphs.push(await importModel(what, { store, hub: noHub, downloads: data.downloads }));
  }
  return graphs;
}
