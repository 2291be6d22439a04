import type { ImageOrder, ImageSettings } from '../../../shared/services/image-classification/image-schemas.ts';
import type { ImagePlan } from '../../../shared/services/image-classification/plan-image-graph.ts';
import type { GraphTensor } from '../graph-executor.ts';
import { resizeBilinear } from './resize-bilinear.ts';

/** The graph's input for a picture: resized, in the graph's channels and layout, scaled and normalised if it takes floats. */
export function imageTensor(plan: ImagePlan, settings: ImageSettings, order: ImageOrder, pixels: Uint8Array): GraphTensor {
  const { channels, height, width, layout } = plan;
  const orderChannels = order.format === 'rgb8' ? 3 : 1;
  const resized = resizeBilinear(pixels, order, plan, orderChannels);
  const area = height * width;
  const values = new Float32Array(area * channels);
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      const value = channelOf(resized, pixel, channel, orderChannels, channels);
      const at = layout === 'nchw' ? channel * area + pixel : pixel * channels + channel;
      values[at] = plan.inputType === 'uint8' ? Math.round(value) : normalise(value, channel, settings);
    }
  }
  const dims = layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
  if (plan.inputType === 'uint8') return { type: 'uint8', dims, data: Uint8Array.from(values) };
  return { type: 'float32', dims, data: values };
}

/** Grey to colour repeats the value; colour to grey weighs it as Rec. 601 does. */
function channelOf(pixels: Float32Array, pixel: number, channel: number, from: number, to: number): number {
  if (from === 1) return pixels[pixel]!;
  if (to === 3) return pixels[pixel * 3 + channel]!;
  return 0.299 * pixels[pixel * 3]! + 0.587 * pixels[pixel * 3 + 1]! + 0.114 * pixels[pixel * 3 + 2]!;
}

function normalise(value: number, channel: number, { scale, mean, std }: ImageSettings): number {
  return (value * scale - (mean[channel] ?? mean[0]!)) / (std[channel] ?? std[0]!);
}
