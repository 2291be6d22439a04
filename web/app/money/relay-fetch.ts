/** One JSON request to the relay that serves this page. */
import type { z } from 'zod';
import { errorCodes, VesselError } from '../../../shared/protocol/errors.ts';

export interface RelayRequest {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  body?: unknown;
}

/** @throws VesselError with the relay's own code and words; `relay_lost` without an answer */
export async function relayFetch<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  { method = 'GET', body }: RelayRequest = {},
): Promise<z.output<Schema>> {
  const response = await send(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const answer: unknown = await response.json().catch(() => null);
  if (!response.ok) throw refusal(response, answer);
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new VesselError('version_mismatch', 'The relay answered in a way this page does not know. Reload the page.', {
    cause: parsed.error,
  });
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (cause) {
    throw new VesselError('relay_lost', 'The relay cannot be reached. Try again when it says online.', { cause });
  }
}

function refusal(response: Response, answer: unknown): VesselError {
  const { code, message } = ((answer as { error?: { code?: unknown; message?: unknown } } | null)?.error ?? {}) as {
    code?: unknown;
    message?: unknown;
  };
  const known = errorCodes.find((each) => each === code);
  const words = typeof message === 'string' ? message : `The relay answered with status ${response.status}.`;
  return new VesselError(known ?? 'internal', words);
}
