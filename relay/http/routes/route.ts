import type { z } from 'zod';
import type { HttpContext } from '../http-deps.ts';

/** One entry of the API: what runs, and what the OpenAPI document says about it. */
export interface Route {
  method: 'get' | 'post' | 'patch' | 'delete';
  /** Hono's pattern. */
  path: string;
  summary: string;
  /**
   * `key`: an API key is asked for when the relay requires keys. `session`: a wallet has signed in. `limited`: anyone, counted by
   * address. `gas`: the same, for what costs the relay gas. `open`: anyone, uncounted.
   */
  access: 'open' | 'limited' | 'gas' | 'key' | 'session';
  /** Those of the path unless it says otherwise; others may be left out. */
  parameters?: { name: string; in?: 'path' | 'header' | 'query'; description: string }[];
  request?: z.ZodType;
  /** The body may also be application/octet-stream, and this is what it then holds. */
  binaryRequest?: string;
  response: { description: string; contentType: string; schema?: z.ZodType; streamed?: z.ZodType };
  handle: (c: HttpContext) => Response | Promise<Response>;
}
