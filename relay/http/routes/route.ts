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
  /** Those of the path unless it says otherwise; headers may be left out. */
  parameters?: { name: string; in?: 'path' | 'header'; description: string }[];
  request?: z.ZodType;
  /** The body may also be application/octet-stream, and this is what it then holds. */
  binaryRequest?: string;
  response: { description: string; contentType: string; schema?: z.ZodType; streamed?: z.ZodType };
  handle: (c: HttpContext) => Response | Promise<Response>;
}
