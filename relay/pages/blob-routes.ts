/** Manifests and blobs for providers: immutable, named by their hash, served by range so that a shard is all that is fetched. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { Hono } from 'hono';
import { manifestBytes } from '../../shared/models/manifest-id.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { errorBody } from '../http/error-body.ts';
import type { ModelStore } from '../models/model-store.ts';

const immutable = 'public, max-age=31536000, immutable';
const openToAll = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' };

export function blobRoutes(store: ModelStore): Hono {
  const app = new Hono();
  // By id, or by name for askers that do not know the id yet.
  app.get('/manifests/:id', async (c) => {
    const asked = c.req.param('id');
    const model = await store.find(asked);
    if (!model) return c.json(errorBody(new VesselError('model_not_found')), 404, openToAll);
    return c.body(manifestBytes(model.manifest), 200, {
      'content-type': 'application/json',
      // A name may mean another model tomorrow.
      'cache-control': asked === model.id ? immutable : 'no-cache',
      ...openToAll,
    });
  });
  app.options('/blobs/:cid', (c) => c.body(null, 204, { ...openToAll, 'access-control-allow-headers': 'range' }));
  app.get('/blobs/:cid', async (c) => {
    const cid = c.req.param('cid');
    if (!/^b[a-z2-7]{20,120}$/.test(cid)) return c.json(errorBody(new VesselError('not_found')), 404, openToAll);
    const path = store.blobPath(cid);
    const size = await stat(path).then(
      (found) => found.size,
      () => null,
    );
    if (size === null) return c.json(errorBody(new VesselError('not_found', 'No such blob.')), 404, openToAll);
    const range = parseRange(c.req.header('range'), size);
    if (range === 'unsatisfiable') return c.body(null, 416, { 'content-range': `bytes */${size}`, ...openToAll });
    const { start, end } = range ?? { start: 0, end: size - 1 };
    const body = Readable.toWeb(createReadStream(path, { start, end })) as ReadableStream;
    return c.body(body, range ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': String(end - start + 1),
      'accept-ranges': 'bytes',
      'cache-control': immutable,
      ...(range ? { 'content-range': `bytes ${start}-${end}/${size}` } : {}),
      ...openToAll,
    });
  });
  return app;
}

/** One range of the forms a-b, a- and -n; null for none or several, which are then answered whole. */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const [, first = '', last = ''] = match;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start > end || start >= size ? 'unsatisfiable' : { start, end };
}
