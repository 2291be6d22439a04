/** One picture in, the most probable labels out. For any ONNX classifier with one picture-shaped input. */
import { limits } from '../../protocol/limits.ts';
import type { ServiceType } from '../service-type.ts';
import {
  type ImageOrder,
  type ImageResult,
  type ImageSettings,
  imageOrderSchema,
  imageResultSchema,
  imageSettingsSchema,
} from './image-schemas.ts';
import { planImageGraph } from './plan-image-graph.ts';

export const imageClassification: ServiceType<ImageSettings, ImageOrder, ImageResult> = {
  name: 'image-classification',
  settings: imageSettingsSchema,
  order: imageOrderSchema,
  result: imageResultSchema,
  maxInputBytes: limits.maxServiceBytes,
  unit: 'image',
  /** Small classifiers take some ten million operations: a hundred positions in a layer of a small language model. */
  positionsPerUnit: 100,
  streaming: false,
  checkGraph(graph, settings) {
    planImageGraph(graph, settings);
  },
  mostUnits: () => 1,
  meter: () => ({ unit: 'image', amount: 1 }),
};
