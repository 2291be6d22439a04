/**
 * One file from a hub, whole and checked, or not there at all. Until it is whole it lies as `<file>.part` beside `<file>.part.json`,
 * which says of which content it is a part; the next run continues there, unless the hub's content has changed.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import { explainDiskError } from '../files/write-atomically.ts';
import { TransientHubError } from './hub-errors.ts';
import type { HubHttp, Watch } from './hub-http.ts';

/** What the hub says a file's content is. */
export interface HubFileFacts {
  /** Bytes; null if the hub does not say. */
  size: number | null;
  /** sha2-256 of the content (64 hex digits, files in large storage) or git's blob id (40, small files); null if not given. */
  hash: string | null;
}

export interface HubFile {
  path: string;
  /** From the list of files; the headers of the file itself go first. */
  listed: HubFileFacts;
}

export interface DownloadContext {
  http: HubHttp;
  /** org/name */
  repository: string;
  commit: string;
  signal?: AbortSignal | undefined;
  /** Bytes of this file that are on the disk. */
  onBytes: (bytes: number) => void;
}

const partSchema = z.strictObject({ hash: z.string().nullable(), size: z.number().nullable() });

/** Asks the hub what the file is, without its content. */
export async function readFacts(
  file: HubFile,
  context: DownloadContext,
  watch: Watch,
): Promise<HubFileFacts & { elsewhere: URL | null }> {
  const { http, repository, commit } = context;
  const answer = await http.request(
    'HEAD',
    fileUrl(repository, commit, file.path),
    { repository, revision: commit, what: file.path },
    watch,
    { stopAtOtherHost: true },
  );
  const header = (name: string) => answer.hubHeaders.map((headers) => headers.get(name)).find((value) => value !== null) ?? null;
  const theirs = header('x-repo-commit');
  if (theirs !== null && theirs !== commit) {
    throw new VesselError(
      'hub_failed',
      `The hub gave ${file.path} of commit ${theirs} instead of ${commit}. Run the command again.`,
    );
  }
  const linked = hashIn(header('x-linked-etag'));
  const direct = answer.elsewhere === null ? hashIn(answer.response.headers.get('etag')) : null;
  const size = header('x-linked-size') ?? (answer.elsewhere === null ? answer.response.headers.get('content-length') : null);
  return {
    hash: linked ?? direct ?? file.listed.hash,
    size: size !== null && /^\d+$/.test(size) ? Number(size) : file.listed.size,
    elsewhere: answer.elsewhere,
  };
}

/** Downloads `file` to `target`. Throws VesselError: `bad_blob` if the content is twice not what the hub says it is. */
export async function downloadFile(file: HubFile, target: string, context: DownloadContext): Promise<void> {
  let mismatches = 0;
  await context.http.retry(context.signal, async (watch) => {
    const facts = await readFacts(file, context, watch);
    watch.heard(0);
    await fetchRest(file, target, facts, context, watch);
    const problem = await check(`${target}.part`, facts);
    if (problem === null) return;
    await dropPart(target);
    mismatches += 1;
    const message = `${file.path} of ${context.repository} does not match what the hub says it is (${problem})`;
    if (mismatches > 1) throw new VesselError('bad_blob', `${message}. Something between the hub and here changes files.`);
    throw new TransientHubError(message);
  });
  await rename(`${target}.part`, target);
  await rm(`${target}.part.json`, { force: true });
}

async function fetchRest(
  file: HubFile,
  target: string,
  facts: HubFileFacts & { elsewhere: URL | null },
  context: DownloadContext,
  watch: Watch,
): Promise<void> {
  const { http, repository, commit, onBytes } = context;
  const have = await reusablePart(target, facts);
  onBytes(have);
  if (have > 0 && have === facts.size) return;
  const url = facts.elsewhere?.href ?? fileUrl(repository, commit, file.path);
  // No If-Range: the other host's etags are not the hub's. The recorded hash was compared above and the whole is checked at the end.
  const range = have > 0 ? `bytes=${have}-` : undefined;
  const { response } = await http.request('GET', url, { repository, revision: commit, what: file.path }, watch, { range });
  if (response.status === 416) {
    await response.body?.cancel();
    await dropPart(target);
    throw new TransientHubError(`The hub cannot continue ${file.path} at byte ${have}`);
  }
  const start = response.status === 206 ? rangeStart(response) : 0;
  if (start !== 0 && start !== have) {
    await response.body?.cancel();
    throw new VesselError('hub_failed', `The hub answered another part of ${file.path} than was asked for.`);
  }
  const handle = await open(`${target}.part`, start === 0 ? 'w' : 'r+').catch((cause) =>
    Promise.reject(explainDiskError(cause, target)),
  );
  try {
    await writeBody(response, handle, start, facts.size, file.path, watch, onBytes);
  } finally {
    await handle.close();
  }
}

async function writeBody(
  response: Response,
  handle: FileHandle,
  start: number,
  size: number | null,
  path: string,
  watch: Watch,
  onBytes: (bytes: number) => void,
): Promise<void> {
  let at = start;
  onBytes(at);
  for await (const chunk of response.body ?? []) {
    await handle.write(chunk, 0, chunk.length, at).catch((cause) => Promise.reject(explainDiskError(cause, path)));
    at += chunk.length;
    watch.heard(chunk.length);
    onBytes(at);
    if (size !== null && at > size)
      throw new VesselError('bad_blob', `The hub sends more of ${path} than the ${size} bytes it announced.`);
  }
  await handle.sync().catch((cause) => Promise.reject(explainDiskError(cause, path)));
  if (size !== null && at < size) throw new TransientHubError(`The hub ended ${path} after ${at} of ${size} bytes`);
}

/** Bytes of the part on disk that belong to this very content; 0 after dropping one that does not. */
async function reusablePart(target: string, facts: HubFileFacts): Promise<number> {
  const size = await stat(`${target}.part`).then(
    (found) => found.size,
    () => 0,
  );
  const recorded = await readPart(target);
  const isSame = recorded !== null && facts.hash !== null && recorded.hash === facts.hash && recorded.size === facts.size;
  if (size > 0 && isSame && (facts.size === null || size <= facts.size)) return size;
  await dropPart(target);
  await writeFile(`${target}.part.json`, JSON.stringify({ hash: facts.hash, size: facts.size })).catch((cause) =>
    Promise.reject(explainDiskError(cause, target)),
  );
  return 0;
}

async function readPart(target: string): Promise<HubFileFacts | null> {
  const text = await readFile(`${target}.part.json`, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return partSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

async function dropPart(target: string): Promise<void> {
  await rm(`${target}.part`, { force: true });
  await rm(`${target}.part.json`, { force: true });
}

/** What is wrong with the bytes on disk, or null. */
async function check(path: string, { size, hash }: HubFileFacts): Promise<string | null> {
  const found = (await stat(path)).size;
  if (size !== null && found !== size) return `${found} bytes instead of ${size}`;
  if (hash === null) return null;
  const digest = hash.length === 64 ? createHash('sha256') : gitBlobHash(found);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) digest.update(chunk);
  return digest.digest('hex') === hash ? null : 'another hash';
}

/** Git's id of a blob: sha1 over a header with its length, then the content. */
function gitBlobHash(bytes: number): Hash {
  return createHash('sha1').update(`blob ${bytes}\0`);
}

/** A sha2-256 or a git id out of an etag; null for anything else (such as a CDN's own). */
function hashIn(etag: string | null): string | null {
  const text = etag?.replace(/^W\//, '').replaceAll('"', '').toLowerCase();
  return text !== undefined && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? text : null;
}

function rangeStart(response: Response): number {
  const match = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  return match ? Number(match[1]) : -1;
}

function fileUrl(repository: string, commit: string, path: string): string {
  return `/${repository}/resolve/${commit}/${encodeURIComponent(path)}`;
}
