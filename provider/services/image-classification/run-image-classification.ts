import { VesselError } from '../../../shared/protocol/errors.ts';
import { imageClassification } from '../../../shared/services/image-classification/image-classification.ts';
import type { ImageOrder, ImageResult, ImageSettings } from '../../../shared/services/image-classification/image-schemas.ts';
import { planImageGraph } from '../../../shared/services/image-classification/plan-image-graph.ts';
import type { ServiceRunner } from '../service-runtime.ts';
import { imageTensor } from './image-tensor.ts';

export const runImageClassification: ServiceRunner<ImageSettings, ImageOrder, ImageResult> = {
  type: imageClassification,
  prepare(graph, settings) {
    const plan = planImageGraph(graph.signature, settings);
    return () => ({
      async run(order, pixels) {
        requirePixels(order, pixels);
        const outputs = await graph.run({ [plan.input]: imageTensor(plan, settings, order, pixels) }, [plan.output]);
        const scores = activate(outputs[plan.output]!, settings.activation);
        return { labels: best(scores, settings), backend: graph.backend };
      },
    });
  },
  trial(graph, settings) {
    const { width, height } = planImageGraph(graph.signature, settings);
    return { order: { format: 'gray8', width, height }, input: new Uint8Array(width * height) };
  },
};

function requirePixels({ format, width, height }: ImageOrder, pixels: Uint8Array): void {
  const expected = width * height * (format === 'rgb8' ? 3 : 1);
  if (pixels.byteLength === expected) return;
  throw new VesselError(
    'bad_request',
    `A picture of ${width} × ${height} in ${format} has ${expected} bytes, not ${pixels.byteLength}.`,
  );
}

/** float32 outputs that are a distribution sum to 1 within this, for up to some thousand classes. */
const distributionTolerance = 1e-3;

function activate(outputs: Float32Array, activation: ImageSettings['activation']): Float64Array {
  const values = Float64Array.from(outputs);
  if (activation === 'none') return values;
  const isDistribution =
    values.every((value) => value >= 0) && Math.abs(values.reduce((sum, value) => sum + value, 0) - 1) < distributionTolerance;
  if (activation === 'auto' && isDistribution) return values;
  const max = values.reduce((largest, value) => Math.max(largest, value), -Infinity);
  const weights = values.map((value) => Math.exp(value - max));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function best(scores: Float64Array, { topK, labels }: ImageSettings): ImageResult['labels'] {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, topK).map((index) => {
    const label = labels?.[index];
    return { index, ...(label !== undefined && { label }), score: scores[index]! };
  });
}
