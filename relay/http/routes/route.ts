import type { z } from 'zod';
import type { HttpContext } from '../http-deps.ts';

/** One entry of the API: what runs, and what the OpenAPI document says about it. */
export interface Route {
  method: 'get' | 'post';
  /** Hono's pattern. */
  path: string;
  summary: string;
  /** Whether a key is asked for when the relay requires keys. */
  access: 'open' | 'key';
  parameters?: { name: string; description: string }[];
  request?: z.ZodType;
  response: { description: string; contentType: string; schema?: z.ZodType; streamed?: z.ZodType };
  handle: (c: HttpContext) => Response | Promise<Response>;
}
