/** Turns what a person names (a folder, a hub id, an ONNX file) into a model in the store. */
import { readFile, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { convertCheckpoint } from '../../shared/models/convert-checkpoint.ts';
import { type Manifest, type ModelDtype, manifestFormat } from '../../shared/models/manifest.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { FolderSource } from './folder-source.ts';
import { type HubClient, removeDownload } from './hub-client.ts';
import { type HubReference, parseHubReference } from './hub-reference.ts';
import { importGraph } from './import-graph.ts';
import type { ModelStore, StoredModel } from './model-store.ts';

export interface ImportPlaces {
  store: ModelStore;
  /** Made only when a hub is named. */
  hub: () => Promise<HubClient>;
  /** Folder for unfinished downloads. */
  downloads: string;
}

export interface ImportRequest {
  /** A Hugging Face folder, `hf:org/name[@revision]`, or a file that ends in .onnx. */
  source: string;
  /** Left out: the folder's, repository's or file's name, with the dtype unless that is f32. */
  name?: string | undefined;
  dtype: ModelDtype;
  /** For an ONNX file: its service type and that type's settings. */
  service?: string | undefined;
  settings: Record<string, unknown>;
}

export type ImportStage = 'downloading' | 'converting';

export interface ImportHooks {
  signal?: AbortSignal | undefined;
  onStage?: (stage: ImportStage) => void;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface Imported extends StoredModel {
  /** False when this very source was imported before. */
  isNew: boolean;
}

/** Throws VesselError with the reason; then the store is as it was. */
export async function importModel(request: ImportRequest, places: ImportPlaces, hooks: ImportHooks = {}): Promise<Imported> {
  const reference = parseHubReference(request.source);
  if (reference) return importFromHub(reference, request, places, hooks);
  if (request.source.startsWith('hf:')) {
    throw new VesselError('bad_request', `"${request.source}" is not a hub model. Write hf:org/name or hf:org/name@revision.`);
  }
  const path = resolve(request.source);
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory()) return importFromFolder(path, request, places, hooks);
  if (found && path.toLowerCase().endsWith('.onnx')) return importOnnx(path, request, places);
  const advice = 'Name a Hugging Face folder, hf:org/name, or an .onnx file.';
  throw new VesselError(
    'not_found',
    found ? `${path} is neither a folder nor an .onnx file. ${advice}` : `There is no ${path}. ${advice}`,
  );
}

async function importFromHub(
  reference: HubReference,
  request: ImportRequest,
  places: ImportPlaces,
  hooks: ImportHooks,
): Promise<Imported> {
  requireLanguageOptions(request);
  const hub = await places.hub();
  const model = await hub.find(reference, hooks.signal);
  const origin = `hf:${model.repository}@${model.commit}`;
  const name = request.name ?? defaultName(reference.name, request.dtype);
  return once(places.store, keyOf([origin, name, request.dtype]), async () => {
    hooks.onStage?.('downloading');
    const folder = await hub.download(model, places.downloads, { signal: hooks.signal, ...onlyProgress(hooks) });
    const manifest = await convertFolder(folder, name, origin, request, places.store, hooks);
    await removeDownload(folder);
    return manifest;
  });
}

async function importFromFolder(
  path: string,
  request: ImportRequest,
  { store }: ImportPlaces,
  hooks: ImportHooks,
): Promise<Imported> {
  requireLanguageOptions(request);
  const name = request.name ?? defaultName(basename(path), request.dtype);
  // The folder's name, not its path: equal checkpoints become equal models on every machine.
  const origin = `folder:${basename(path)}`;
  const key = keyOf([path, name, request.dtype, ...(await fingerprint(path))]);
  return once(store, key, () => convertFolder(path, name, origin, request, store, hooks));
}

async function importOnnx(path: string, request: ImportRequest, { store }: ImportPlaces): Promise<Imported> {
  const { service, settings } = request;
  if (!service) throw new VesselError('bad_request', 'An ONNX file needs its service type: --service <type>.');
  const name = request.name ?? basename(path).replace(/\.onnx$/i, '');
  const bytes = new Uint8Array(await readFile(path));
  const adding = await store.startAdding();
  try {
    const { manifest } = await importGraph(bytes, { name, service, settings, origin: `file:${basename(path)}` }, adding);
    return await publish(store, manifest);
  } finally {
    await adding.done();
  }
}

async function convertFolder(
  folder: string,
  name: string,
  origin: string,
  request: ImportRequest,
  store: ModelStore,
  hooks: ImportHooks,
): Promise<Imported> {
  hooks.onStage?.('converting');
  const adding = await store.startAdding();
  try {
    const options = {
      name,
      dtype: request.dtype,
      origin,
      ...onlyProgress(hooks),
      ...(hooks.signal ? { signal: hooks.signal } : {}),
    };
    const { manifest } = await convertCheckpoint(new FolderSource(folder), options, adding);
    return await publish(store, manifest);
  } finally {
    await adding.done();
  }
}

async function publish(store: ModelStore, manifest: Manifest): Promise<Imported> {
  const before = await store.list();
  const id = await store.add(manifest);
  return { ...(await store.require(id)), isNew: !before.some((model) => model.id === id) };
}

/** Converts only if this very source did not become a model that is still here. */
async function once(store: ModelStore, key: string, convert: () => Promise<Imported>): Promise<Imported> {
  const known = await store.recall(key);
  if (known) return { ...known, isNew: false };
  const imported = await convert();
  await store.remember(key, imported.id);
  return imported;
}

function keyOf(parts: string[]): string {
  return JSON.stringify([manifestFormat, ...parts]);
}

/** Name, size and time of change of every file: whatever changes a checkpoint changes one of them. */
async function fingerprint(path: string): Promise<string[]> {
  const source = new FolderSource(path);
  const lines: string[] = [];
  for (const file of await source.files()) {
    const { size, mtimeMs } = await stat(resolve(path, file));
    lines.push(`${file} ${size} ${mtimeMs}`);
  }
  return lines;
}

function defaultName(name: string, dtype: ModelDtype): string {
  return dtype === 'f32' ? name : `${name}-${dtype}`;
}

function requireLanguageOptions({ service, settings }: ImportRequest): void {
  if (service || Object.keys(settings).length > 0) {
    throw new VesselError('bad_request', '--service and --set are for .onnx files; a checkpoint folder is a language model.');
  }
}

function onlyProgress({ onProgress }: ImportHooks): Pick<ImportHooks, 'onProgress'> {
  return onProgress ? { onProgress } : {};
}
