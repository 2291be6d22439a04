/** An order of image classification with as many bytes as it is long, up to the tensor the graph gets. */
import { ok } from 'node:assert/strict';
import { z } from 'zod';
import { runImageClassification } from '../../provider/services/image-classification/run-image-classification.ts';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import { imageSettingsSchema } from '../../shared/services/image-classification/image-schemas.ts';
import { parseOrder } from '../../shared/services/service-type.ts';
import type { TextTarget } from '../engine/target.ts';
import { graphOf } from '../samples/fixed-graph.ts';

const schema = z.strictObject({
  order: z.json(),
  bytes: z.number().int().min(0).max(4096),
  fill: z.number().int().min(0).max(255),
});
const graph = graphOf(
  [{ name: 'x', type: 'float32', shape: [1, 3, 4, 4] }],
  [{ name: 'y', type: 'float32', shape: [1, 3] }],
  () => [0.5, 0.25, 0.25],
);
const open = runImageClassification.prepare(graph, imageSettingsSchema.parse({}));

export const target: TextTarget = {
  name: 'image-order',
  form: 'json',
  maxLength: 8192,
  seeds: [
    { order: { format: 'rgb8', width: 5, height: 2 }, bytes: 30, fill: 200 },
    { order: { format: 'gray8', width: 1, height: 1 }, bytes: 1, fill: 0 },
    { order: { format: 'gray8', width: 4096, height: 1 }, bytes: 4096, fill: 1 },
  ].map((order) => JSON.stringify(order)),
  refusals: ['bad_message', 'bad_request'],
  async decode(text) {
    const { order, bytes, fill } = parseMessage(schema, text);
    const parsed = parseOrder(runImageClassification.type, order, bytes);
    const { labels } = await open().run(parsed, new Uint8Array(bytes).fill(fill));
    ok(labels.every(({ score }) => Number.isFinite(score)));
    return `${labels.length}`;
  },
};
