import type { z } from 'zod';
import type { HttpContext } from '../http-deps.ts';
import type { Route } from './route.ts';

/** Something that anyone may read as JSON: GET, counted by address. */
export function readRoute<Schema extends z.ZodType>(
  path: string,
  about: Pick<Route, 'summary'> & { parameters: NonNullable<Route['parameters']>; answer: string; schema: Schema },
  answer: (c: HttpContext) => Promise<z.input<Schema> & object>,
): Route {
  const { summary, parameters, schema } = about;
  return {
    method: 'get',
    path,
    summary,
    access: 'limited',
    parameters,
    response: { description: about.answer, contentType: 'application/json', schema },
    handle: async (c) => c.json(await answer(c)),
  };
}
