/**
 * Brings a model's checkpoint from a hub into a folder, in the way of the Hugging Face hub's own HTTP: a list of files at a revision,
 * each under `resolve/<commit>/<file>`, large ones through a redirect to another host, every one with the hash of its content.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import { lockFile } from '../files/lock-file.ts';
import { explainDiskError } from '../files/write-atomically.ts';
import { chooseSmallFiles, chooseWeightFiles, weightIndex } from './choose-hub-files.ts';
import { type DownloadContext, downloadFile, type HubFile, readFacts } from './hub-download.ts';
import { HubHttp, type HubHttpOptions } from './hub-http.ts';
import type { HubReference } from './hub-reference.ts';

export interface HubModel {
  /** org/name */
  repository: string;
  /** What the revision meant when it was asked. */
  commit: string;
  files: HubFile[];
}

export interface DownloadOptions {
  signal?: AbortSignal | undefined;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** A third party's message: what we need is checked, the rest is left alone. */
const modelInfoSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40,64}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string().min(1).max(1024),
      size: z.number().int().nonnegative().nullish(),
      blobId: z.string().nullish(),
      lfs: z.object({ sha256: z.string().nullish() }).nullish(),
    }),
  ),
});

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Kept free on the disk beside a download. */
const spareBytes = 50e6;

export class HubClient {
  readonly #http: HubHttp;

  constructor(options: HubHttpOptions = {}) {
    this.#http = new HubHttp(options);
  }

  /** What a reference means now: the commit and its files. Throws VesselError with what to do. */
  async find({ org, name, revision }: HubReference, signal?: AbortSignal): Promise<HubModel> {
    const repository = `${org}/${name}`;
    const url = `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const text = await this.#http.retry(signal, async (watch) => {
      const { response } = await this.#http.request('GET', url, { repository, revision, what: 'the list of files' }, watch);
      return response.text();
    });
    const { sha, siblings } = parseModelInfo(text, repository);
    const files = siblings.map(
      ({ rfilename, size, blobId, lfs }): HubFile => ({
        path: rfilename,
        listed: { size: size ?? null, hash: lfs ? (lfs.sha256?.toLowerCase() ?? null) : gitId(blobId) },
      }),
    );
    return { repository, commit: sha, files };
  }

  /**
   * Downloads what an import of `model` reads into `<downloads>/<org>--<name>/<commit>` and returns that folder. Whatever is there
   * already, whole or in part, is not fetched again. Throws VesselError; what was fetched stays for the next run.
   */
  async download(model: HubModel, downloads: string, { signal, onProgress }: DownloadOptions = {}): Promise<string> {
    const folder = join(downloads, model.repository.replace('/', '--'), model.commit);
    await mkdir(folder, { recursive: true }).catch((cause) => Promise.reject(explainDiskError(cause, folder)));
    const lock = await lockFile(`${folder}.lock`, `${model.repository} is being downloaded by another process`);
    try {
      await this.#downloadAll(model, folder, signal, onProgress);
      return folder;
    } finally {
      await lock.release();
    }
  }

  async #downloadAll(
    model: HubModel,
    folder: string,
    signal: AbortSignal | undefined,
    onProgress: DownloadOptions['onProgress'],
  ): Promise<void> {
    const { repository, commit } = model;
    const paths = model.files.map(({ path }) => path);
    const smallFiles = chooseSmallFiles(paths);
    if (!smallFiles.includes('config.json'))
      throw new VesselError('bad_checkpoint', `${repository} has no config.json: it is not a checkpoint that Vessel can read.`);
    const context = (onBytes: (bytes: number) => void): DownloadContext => ({
      http: this.#http,
      repository,
      commit,
      signal,
      onBytes,
    });
    const fileAt = (path: string) => model.files.find((file) => file.path === path)!;
    for (const path of smallFiles) await this.#fetchOne(fileAt(path), folder, context(ignore));

    const index = smallFiles.includes(weightIndex)
      ? parseIndex(await readFile(join(folder, weightIndex), 'utf8'), repository)
      : null;
    const weights = chooseWeightFiles(paths, index, repository).map(fileAt);
    const sizes = new Map<string, number>();
    for (const file of weights) sizes.set(file.path, file.listed.size ?? (await this.#askSize(file, context(ignore))));
    const totalBytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
    await requireSpace(folder, weights, sizes);

    let doneBytes = 0;
    for (const file of weights) {
      await this.#fetchOne(
        file,
        folder,
        context((bytes) => onProgress?.(doneBytes + bytes, totalBytes)),
      );
      doneBytes += (await stat(join(folder, file.path))).size;
      onProgress?.(doneBytes, totalBytes);
    }
  }

  async #fetchOne(file: HubFile, folder: string, context: DownloadContext): Promise<void> {
    context.signal?.throwIfAborted();
    const target = join(folder, file.path);
    // A file has its own name only after its hash was checked, and the folder belongs to one commit.
    if (!existsSync(target)) await downloadFile(file, target, context);
  }

  async #askSize(file: HubFile, context: DownloadContext): Promise<number> {
    const facts = await this.#http.retry(context.signal, (watch) => readFacts(file, context, watch));
    return facts.size ?? 0;
  }
}

/** Removes a finished download, and its repository's folder when nothing else is in it. */
export async function removeDownload(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

async function requireSpace(folder: string, weights: readonly HubFile[], sizes: ReadonlyMap<string, number>): Promise<void> {
  let needed = spareBytes;
  for (const { path } of weights) {
    const have = await stat(join(folder, path)).catch(() => stat(join(folder, `${path}.part`)).catch(() => null));
    needed += Math.max(0, (sizes.get(path) ?? 0) - (have?.size ?? 0));
  }
  const { bavail, bsize } = await statfs(folder);
  if (needed <= bavail * bsize) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new VesselError(
    'out_of_memory',
    `The disk has too little space: ${gigabytes(needed)} are needed in ${folder}, ${gigabytes(bavail * bsize)} are free.`,
  );
}

function parseModelInfo(text: string, repository: string): z.infer<typeof modelInfoSchema> {
  try {
    return modelInfoSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new VesselError(
      'hub_failed',
      `The hub's answer about ${repository} is not what a model hub says. Is HF_ENDPOINT right?`,
      { cause },
    );
  }
}

function parseIndex(text: string, repository: string): z.infer<typeof indexSchema> {
  try {
    return indexSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new VesselError('bad_checkpoint', `${weightIndex} of ${repository} is not a weight index.`, { cause });
  }
}

function gitId(blobId: string | null | undefined): string | null {
  return blobId && /^[0-9a-f]{40}$/.test(blobId) ? blobId : null;
}

function ignore(): void {}
