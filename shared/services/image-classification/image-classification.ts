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
  streaming: false,
  checkGraph(graph, settings) {
    planImageGraph(graph, settings);
  },
  meter: () => ({ unit: 'image', amount: 1 }),
};
