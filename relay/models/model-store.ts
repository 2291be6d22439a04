/**
 * The models of this machine: content-addressed blobs and the manifests that refer to them.
 *
 *   blobs/<cid>              bytes of one blob, written under another name and renamed: what has its name is whole
 *   manifests/<id>.json      canonical JSON; a model exists from the moment its manifest does
 *   origins/<key>            which model a given source became, so that adding it again does not convert again
 *   adding/<pid>-<n>         an add in progress: its blobs have no manifest yet and must not be swept
 *
 * Several processes may use one folder (a relay serves while `vessel model add` works): every read looks at the disk.
 */
import { createHash } from 'node:crypto';
import { existsSync, openAsBlob } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobReader } from '../../provider/runtime/shard-runtime.ts';
import type { BlobSink } from '../../shared/models/checkpoint-source.ts';
import { blobRefOf, verifyLeaf } from '../../shared/models/content-id.ts';
import { type BlobRef, leafBytes, type Manifest } from '../../shared/models/manifest.ts';
import { manifestBytes, manifestId, requireManifest } from '../../shared/models/manifest-id.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { isProcessAlive } from '../files/process-alive.ts';
import { writeAtomically } from '../files/write-atomically.ts';
import { manifestBlobs } from './manifest-blobs.ts';

export interface StoredModel {
  id: string;
  manifest: Manifest;
  /** Bytes of all its blobs, those shared with other models included. */
  bytes: number;
}

/** Where a converter puts blobs. `done` ends the add, well or not: what no manifest refers to then is swept. */
export interface Adding extends BlobSink {
  done(): Promise<void>;
}

export class ModelStore implements BlobReader {
  readonly folder: string;
  #adds = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the folders and sweeps what an interrupted add left behind. */
  async open(): Promise<this> {
    for (const name of ['blobs', 'manifests', 'origins', 'adding']) await mkdir(join(this.folder, name), { recursive: true });
    await this.sweep();
    return this;
  }

  /** Begins an add. Nothing is visible as a model before `add(manifest)`. */
  async startAdding(): Promise<Adding> {
    this.#adds += 1;
    const marker = join(this.folder, 'adding', `${process.pid}-${this.#adds}`);
    await writeFile(marker, '');
    return {
      put: (bytes) => this.#put(bytes),
      done: async () => {
        await rm(marker, { force: true });
        await this.sweep();
      },
    };
  }

  /**
   * Publishes a model whose blobs are stored. Adding the same manifest again changes nothing. Returns the model's id.
   * Throws `bad_request` if another model has the name, `bad_blob` if a blob is missing.
   */
  async add(manifest: Manifest): Promise<string> {
    const id = manifestId(manifest);
    if (existsSync(this.#manifestPath(id))) return id;
    const rival = (await this.list()).find((model) => model.manifest.name === manifest.name);
    if (rival) {
      throw new VesselError(
        'bad_request',
        `Another model is called "${manifest.name}" (${rival.id}): pass another --name, or remove it first with: vessel model rm ${manifest.name}`,
      );
    }
    for (const { cid, bytes } of manifestBlobs(manifest)) {
      if ((await sizeOf(this.blobPath(cid))) !== bytes)
        throw new VesselError('bad_blob', `Blob ${cid} of ${manifest.name} is not in the store.`);
    }
    await writeAtomically(this.#manifestPath(id), manifestBytes(manifest));
    return id;
  }

  /** Sorted by name. A manifest file that is damaged is left out: `verify` names it. */
  async list(): Promise<StoredModel[]> {
    const models: StoredModel[] = [];
    for (const id of await this.#ids()) {
      const manifest = await this.#readManifest(id).catch(() => null);
      if (manifest) models.push({ id, manifest, bytes: totalBytes(manifest) });
    }
    return models.sort((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1));
  }

  /** By name, by id, or by the start of an id (8 characters or more) if only one fits; null if there is none. */
  async find(nameOrId: string): Promise<StoredModel | null> {
    const models = await this.list();
    const exact = models.find((model) => model.id === nameOrId) ?? models.find((model) => model.manifest.name === nameOrId);
    if (exact) return exact;
    const starting = nameOrId.length >= 8 ? models.filter((model) => model.id.startsWith(nameOrId)) : [];
    return starting.length === 1 ? starting[0]! : null;
  }

  /** `find` that throws `model_not_found`. */
  async require(nameOrId: string): Promise<StoredModel> {
    const model = await this.find(nameOrId);
    if (model) return model;
    const names = (await this.list()).map(({ manifest }) => manifest.name);
    const known =
      names.length > 0
        ? `Models here: ${names.join(', ')}.`
        : 'There are no models here yet: vessel model add <folder | hf:org/name>.';
    throw new VesselError('model_not_found', `No model is called "${nameOrId}". ${known}`);
  }

  /** Forgets a model and deletes the blobs that no other model uses. Returns the bytes freed. */
  async remove(nameOrId: string): Promise<number> {
    const { id } = await this.require(nameOrId);
    await rm(this.#manifestPath(id));
    return this.sweep();
  }

  blobPath(cid: string): string {
    if (!/^b[a-z2-7]{20,120}$/.test(cid)) throw new VesselError('bad_request', `"${cid}" is not a content id.`);
    return join(this.folder, 'blobs', cid);
  }

  async readBlob(cid: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    const handle = await open(this.blobPath(cid), 'r').catch((cause) => {
      throw new VesselError('not_found', `Blob ${cid} is not in the store.`, { cause });
    });
    try {
      // One read call returns at most 2 GiB.
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, 1 << 30), offset + done);
        if (bytesRead === 0) throw new VesselError('bad_request', `Blob ${cid} has no bytes up to ${offset + length}.`);
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
    return bytes;
  }

  read(cid: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.readBlob(cid, offset, length);
  }

  async blob(cid: string): Promise<Blob | null> {
    const path = this.blobPath(cid);
    return existsSync(path) ? openAsBlob(path) : null;
  }

  /** Reads every byte of a model again. Returns what is wrong, in words; an empty list is a whole model. */
  async verify(nameOrId: string): Promise<string[]> {
    const { manifest } = await this.require(nameOrId);
    const problems: string[] = [];
    for (const blob of manifestBlobs(manifest)) {
      const problem = await this.#verifyBlob(blob);
      if (problem) problems.push(problem);
    }
    return problems;
  }

  /** The model a source became, if it is still here. `key` names source, settings and format in full. */
  async recall(key: string): Promise<StoredModel | null> {
    const id = await readFile(this.#originPath(key), 'utf8').catch(() => null);
    return id === null ? null : this.find(id.trim());
  }

  async remember(key: string, id: string): Promise<void> {
    await writeAtomically(this.#originPath(key), new TextEncoder().encode(`${id}\n`));
  }

  /** Deletes blobs no manifest refers to, unless an add is in progress somewhere. Returns the bytes freed. */
  async sweep(): Promise<number> {
    if (await this.#isAnyoneAdding()) return 0;
    const used = new Set<string>();
    for (const id of await this.#ids()) {
      // A manifest that cannot be read may refer to any blob: then nothing is safe to delete.
      const manifest = await this.#readManifest(id).catch(() => null);
      if (manifest === null) return 0;
      for (const { cid } of manifestBlobs(manifest)) used.add(cid);
    }
    let freed = 0;
    for (const name of await readdir(join(this.folder, 'blobs'))) {
      if (used.has(name)) continue;
      const path = join(this.folder, 'blobs', name);
      freed += (await sizeOf(path)) ?? 0;
      await rm(path, { force: true });
    }
    return freed;
  }

  async #put(bytes: Uint8Array<ArrayBuffer>): Promise<BlobRef> {
    const ref = blobRefOf(bytes, sha256);
    const path = this.blobPath(ref.cid);
    if ((await sizeOf(path)) !== ref.bytes) await writeAtomically(path, bytes);
    return ref;
  }

  async #verifyBlob({ cid, bytes, leaves }: BlobRef): Promise<string | null> {
    const size = await sizeOf(this.blobPath(cid));
    if (size === null) return `Blob ${cid} is missing.`;
    if (size !== bytes) return `Blob ${cid} has ${size} bytes instead of ${bytes}.`;
    for (const [index, leaf] of leaves.entries()) {
      const offset = index * leafBytes;
      const part = await this.readBlob(cid, offset, Math.min(leafBytes, bytes - offset));
      if (!verifyLeaf(leaf, part, sha256)) return `Blob ${cid} is damaged near byte ${offset}.`;
    }
    return null;
  }

  async #isAnyoneAdding(): Promise<boolean> {
    let isAdding = false;
    for (const name of await readdir(join(this.folder, 'adding'))) {
      if (isProcessAlive(Number(name.split('-')[0]))) isAdding = true;
      else await rm(join(this.folder, 'adding', name), { force: true });
    }
    return isAdding;
  }

  async #ids(): Promise<string[]> {
    const names = await readdir(join(this.folder, 'manifests'));
    return names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
  }

  async #readManifest(id: string): Promise<Manifest> {
    return requireManifest(await readFile(this.#manifestPath(id)), id);
  }

  #manifestPath(id: string): string {
    return join(this.folder, 'manifests', `${id}.json`);
  }

  #originPath(key: string): string {
    return join(this.folder, 'origins', `${createHash('sha256').update(key).digest('hex')}`);
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

async function sizeOf(path: string): Promise<number | null> {
  return stat(path).then(
    ({ size }) => size,
    () => null,
  );
}

function totalBytes(manifest: Manifest): number {
  const sizes = new Map(manifestBlobs(manifest).map(({ cid, bytes }) => [cid, bytes]));
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}
