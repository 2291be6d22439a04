/**
 * A model hub on this machine that answers as the Hugging Face hub does: a list of files per revision, small files from itself (with
 * git's blob id as etag), large ones by redirect to a second host (with sha2-256 in `x-linked-etag`), gated and private repositories,
 * and the failures a network has.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubRepository {
  /** File contents by commit. */
  commits: Record<string, Record<string, Uint8Array>>;
  /** Branches and tags. */
  refs: Record<string, string>;
  /** `private`: hidden without the token. `gated`: seen by all, read with the token. */
  access?: 'public' | 'gated' | 'private';
  /** Files from this size on are "large": stored elsewhere. */
  largeFrom?: number;
}

/** A failure for requests of one file; `times` counts down. */
export type HubFault =
  | { kind: 'cut'; file: string; afterBytes: number; times: number }
  | { kind: 'wrongBytes'; file: string; times: number }
  | { kind: 'status'; file: string; status: number; times: number; headers?: Record<string, string> }
  | { kind: 'ignoreRange'; file: string; times: number }
  | { kind: 'slow'; file: string; msPerChunk: number; times: number };

export interface SeenRequest {
  host: 'hub' | 'cdn';
  method: string;
  path: string;
  range: string | null;
  authorization: string | null;
}

const chunkBytes = 16 * 1024;

export class HubServer {
  readonly seen: SeenRequest[] = [];
  faults: HubFault[] = [];
  /** When false the list of files comes without sizes and hashes, as from a mirror that knows less. */
  listsHashes = true;
  readonly #repositories: Record<string, HubRepository>;
  readonly #token: string;
  readonly #hub: Server;
  readonly #cdn: Server;

  constructor(repositories: Record<string, HubRepository>, token = 'hf_test_token') {
    this.#repositories = repositories;
    this.#token = token;
    this.#hub = createServer((request, response) => this.#answer('hub', request, response));
    this.#cdn = createServer((request, response) => this.#answer('cdn', request, response));
  }

  async start(): Promise<this> {
    for (const server of [this.#hub, this.#cdn]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get endpoint(): string {
    return origin(this.#hub);
  }

  #answer(host: 'hub' | 'cdn', request: IncomingMessage, response: ServerResponse): unknown {
    const url = new URL(request.url ?? '/', 'http://hub');
    const path = decodeURIComponent(url.pathname);
    const authorization = request.headers.authorization ?? null;
    this.seen.push({ host, method: request.method ?? '', path, range: request.headers.range ?? null, authorization });
    if (host === 'cdn') return this.#sendFromCdn(path, request, response);
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/(.+)$/.exec(path);
    if (info) return this.#sendInfo(info[1]!, info[2]!, authorization, response);
    const cached = /^\/api\/resolve-cache\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/.exec(path);
    const resolve = cached ?? /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    if (!resolve) return refuse(response, 404, null, 'Not found');
    return this.#sendFile(resolve[1]!, resolve[2]!, resolve[3]!, cached !== null, request, response);
  }

  #sendInfo(name: string, revision: string, authorization: string | null, response: ServerResponse): unknown {
    const repository = this.#repositories[name];
    const isKnown = authorization === `Bearer ${this.#token}`;
    if (this.#fail('info', response)) return;
    if (authorization !== null && !isKnown) return refuse(response, 401, null, 'Invalid credentials in Authorization header');
    if (!repository || (repository.access === 'private' && !isKnown)) {
      return refuse(
        response,
        isKnown ? 404 : 401,
        'RepoNotFound',
        isKnown ? 'Repository not found' : 'Invalid username or password.',
      );
    }
    const commit = repository.refs[revision] ?? (repository.commits[revision] ? revision : null);
    if (commit === null) return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    const siblings = Object.entries(repository.commits[commit]!).map(([rfilename, bytes]) => {
      if (!this.listsHashes) return { rfilename };
      const isLarge = bytes.length >= (repository.largeFrom ?? 100_000);
      const lfs = isLarge ? { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 134 } } : {};
      return { rfilename, size: bytes.length, blobId: gitBlobId(bytes), ...lfs };
    });
    send(
      response,
      200,
      { 'content-type': 'application/json' },
      JSON.stringify({ id: name, sha: commit, gated: repository.access === 'gated', siblings }),
    );
  }

  #sendFile(
    name: string,
    revision: string,
    file: string,
    isCached: boolean,
    request: IncomingMessage,
    response: ServerResponse,
  ): unknown {
    const repository = this.#repositories[name];
    const isKnown = request.headers.authorization === `Bearer ${this.#token}`;
    if (this.#fail(file, response)) return;
    if (!repository || (repository.access === 'private' && !isKnown))
      return refuse(response, 401, 'RepoNotFound', 'Invalid username or password.');
    if (repository.access === 'gated' && !isKnown) {
      return refuse(response, 401, 'GatedRepo', `Access to model ${name} is restricted. You must be authenticated to access it.`);
    }
    const commit = repository.refs[revision] ?? revision;
    const bytes = repository.commits[commit]?.[file];
    if (!bytes) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
    const headers = { 'x-repo-commit': commit, 'accept-ranges': 'bytes' };
    if (bytes.length >= (repository.largeFrom ?? 100_000)) {
      const location = `${origin(this.#cdn)}/${name}/${commit}/${file}?signature=once`;
      const linked = { 'x-linked-size': String(bytes.length), 'x-linked-etag': `"${sha256(bytes)}"`, location };
      return send(response, 302, { ...headers, ...linked }, `Found. Redirecting to ${location}`, request.method === 'HEAD');
    }
    // Small files lie behind a relative redirect on the hub itself.
    if (!isCached)
      return send(
        response,
        307,
        { ...headers, location: `/api/resolve-cache/${name}/${commit}/${file}` },
        '',
        request.method === 'HEAD',
      );
    return this.#sendBytes(file, bytes, { ...headers, etag: `"${gitBlobId(bytes)}"` }, request, response);
  }

  #sendFromCdn(path: string, request: IncomingMessage, response: ServerResponse): unknown {
    const [, org, name, commit, file] = path.split('/');
    const bytes = this.#repositories[`${org}/${name}`]?.commits[commit!]?.[file!];
    if (request.headers.authorization) return refuse(response, 400, null, 'Only one auth mechanism allowed');
    if (!bytes) return refuse(response, 403, null, 'Forbidden');
    // A storage host's etag is its own: of parts, not of the content.
    return this.#sendBytes(
      file!,
      bytes,
      { etag: '"0123456789abcdef0123456789abcdef-2"', 'accept-ranges': 'bytes' },
      request,
      response,
    );
  }

  #sendBytes(
    file: string,
    whole: Uint8Array,
    headers: Record<string, string>,
    request: IncomingMessage,
    response: ServerResponse,
  ): unknown {
    const match = this.#take('ignoreRange', file) ? null : /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const start = match ? Number(match[1]) : 0;
    if (match && start >= whole.length) return send(response, 416, { 'content-range': `bytes */${whole.length}` }, '');
    const part = whole.slice(start);
    const range = match ? { 'content-range': `bytes ${start}-${whole.length - 1}/${whole.length}` } : {};
    response.writeHead(match ? 206 : 200, { ...headers, ...range, 'content-length': String(part.length) });
    if (request.method === 'HEAD') return response.end();
    if (this.#take('wrongBytes', file)) part[part.length >> 1]! ^= 0xff;
    const cut = this.#take('cut', file);
    const slow = this.#take('slow', file);
    return this.#stream(response, cut ? part.subarray(0, cut.afterBytes) : part, slow?.msPerChunk ?? 0, cut !== null);
  }

  async #stream(response: ServerResponse, bytes: Uint8Array, msPerChunk: number, isCut: boolean): Promise<void> {
    for (let at = 0; at < bytes.length && !response.destroyed; at += chunkBytes) {
      if (!response.write(bytes.subarray(at, at + chunkBytes))) await drained(response);
      if (msPerChunk > 0) await new Promise((resolve) => setTimeout(resolve, msPerChunk));
    }
    if (!isCut) return void response.end();
    // A moment for what was written to leave; then the connection dies as when a cable is pulled.
    setTimeout(() => response.destroy(), 30);
  }

  #fail(file: string, response: ServerResponse): boolean {
    const fault = this.#take('status', file);
    if (fault) send(response, fault.status, fault.headers ?? {}, 'a fault that the test asked for');
    return fault !== null;
  }

  #take<K extends HubFault['kind']>(kind: K, file: string): Extract<HubFault, { kind: K }> | null {
    const isIt = (fault: HubFault): fault is Extract<HubFault, { kind: K }> =>
      fault.kind === kind && fault.file === file && fault.times > 0;
    const fault = this.faults.find(isIt);
    if (!fault) return null;
    fault.times -= 1;
    return fault;
  }
}

/** Resolves when more can be written, or never will be. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.on('drain', go).on('close', go);
  });
}

function origin(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function refuse(response: ServerResponse, status: number, code: string | null, message: string): unknown {
  return send(
    response,
    status,
    { ...(code ? { 'x-error-code': code } : {}), 'x-error-message': message },
    JSON.stringify({ error: message }),
  );
}

function send(response: ServerResponse, status: number, headers: Record<string, string>, body: string, isHead = false): unknown {
  response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers });
  return response.end(isHead ? undefined : body);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function gitBlobId(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}
