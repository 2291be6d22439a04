/** The OpenAPI document, made from the schemas that the requests are parsed with. */
import { z } from 'zod';
import { errorBodySchema } from '../error-body.ts';
import type { HttpDeps } from '../http-deps.ts';
import type { Route } from './route.ts';

export function openapi({ status }: HttpDeps, routes: () => Route[]): Route {
  return {
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    access: 'open',
    response: { description: 'OpenAPI 3.1', contentType: 'application/json' },
    handle: (c) => c.json(openapiDocument(routes(), status().version)),
  };
}

export function openapiDocument(routes: Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = documentPath(route.path);
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Vessel',
      version,
      description: 'The OpenAI API, answered by models whose layers run in browser tabs.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: { Error: schemaOf(errorBodySchema, 'output') },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer' },
        session: { type: 'http', scheme: 'bearer', description: 'From POST /v1/auth/verify; pages use its cookie.' },
      },
    },
  };
}

/** `/v1/models/:id{.+}` as the document writes it. */
export function documentPath(pattern: string): string {
  return pattern.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}');
}

function operation({ summary, access, parameters = [], request, binaryRequest, response }: Route): Record<string, unknown> {
  const content: Record<string, unknown> = {
    [response.contentType]: response.schema ? { schema: schemaOf(response.schema, 'output') } : {},
  };
  if (response.streamed) content['text/event-stream'] = { schema: schemaOf(response.streamed, 'output') };
  return {
    summary,
    security: access === 'key' ? [{ key: [] }, {}] : access === 'session' ? [{ session: [] }] : [],
    parameters: parameters.map(({ name, in: place = 'path', description }) => ({
      name,
      description,
      in: place,
      required: place === 'path',
      schema: { type: 'string' },
    })),
    ...(request && { requestBody: { required: true, content: requestContent(request, binaryRequest) } }),
    responses: {
      '200': { description: response.description, content },
      default: { description: 'A refusal', content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } },
    },
  };
}

function requestContent(request: z.ZodType, binary: string | undefined): Record<string, unknown> {
  return {
    'application/json': { schema: schemaOf(request, 'input') },
    // In OpenAPI 3.1 raw bytes have no schema type.
    ...(binary !== undefined && { 'application/octet-stream': { schema: { description: binary } } }),
  };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
