/** The one door for request bodies: bounded, JSON, and of the schema's form, or a refusal that names the parameter. */
import type { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import { isTooDeep } from '../../shared/protocol/json-depth.ts';
import { RequestError } from './request-error.ts';

/**
 * Reads a request's body as JSON.
 * @throws VesselError `body_too_large` before more than `maxBytes` are kept, `bad_request` when it is not JSON
 */
export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const text = await readText(request, maxBytes);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, which may hold a prompt.
    throw new VesselError('bad_request', 'The request body is not valid JSON.');
  }
  if (isTooDeep(body)) throw new VesselError('bad_request', 'The request body nests too deeply.');
  return body;
}

/** @throws RequestError `bad_request` with `param`, for the first thing that is wrong */
export function parseParams<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new VesselError('bad_request', 'The request body must be a JSON object.');
  }
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw refusal(parsed.error.issues[0]!);
}

function refusal(issue: z.core.$ZodIssue): RequestError {
  if (issue.code === 'unrecognized_keys') {
    const param = pathText([...issue.path, issue.keys[0]!]);
    return new RequestError('bad_request', `Unknown parameter: '${param}'.`, { param });
  }
  const param = pathText(issue.path);
  return new RequestError('bad_request', `Invalid '${param}': ${issue.message}.`, { param });
}

/** `messages[0].content`, cut where a caller's own keys would make it long. */
function pathText(path: PropertyKey[]): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : `${text && '.'}${String(part)}`;
  return text.slice(0, 128);
}

/**
 * Reads a request's body as it is.
 * @throws VesselError `body_too_large` before more than `maxBytes` are kept
 */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of boundedBody(request, maxBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  for await (const chunk of boundedBody(request, maxBytes)) parts.push(decoder.decode(chunk, { stream: true }));
  return parts.join('') + decoder.decode();
}

async function* boundedBody(request: Request, maxBytes: number): AsyncGenerator<Uint8Array, void, void> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (!request.body) return;
  // The announced length is not trusted: what arrives is counted.
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    yield chunk;
  }
}

function tooLarge(maxBytes: number): VesselError {
  return new VesselError('body_too_large', `The request body is larger than ${maxBytes} bytes.`);
}
