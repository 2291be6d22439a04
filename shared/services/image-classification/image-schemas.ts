/** Settings, order and result of image classification. */
import { z } from 'zod';

/** Larger inputs than any classifier has; bounds what a manifest can make a provider allocate (192 MiB of f32). */
export const maxSide = 4096;
const side = z.number().int().min(1).max(maxSide);
/** One number for all channels or one per channel. */
const perChannel = z.union([z.array(z.number()).length(1), z.array(z.number()).length(3)]);

export const imageSettingsSchema = z.strictObject({
  /** Default: the graph's only input. */
  inputName: z.string().optional(),
  /** Default: the graph's first output. */
  outputName: z.string().optional(),
  /** Layout and sizes: default as the graph's input shape says. */
  layout: z.enum(['nchw', 'nhwc']).optional(),
  height: side.optional(),
  width: side.optional(),
  channels: z.union([z.literal(1), z.literal(3)]).optional(),
  /** The graph gets (byte × scale − mean) / std. */
  scale: z
    .number()
    .positive()
    .default(1 / 255),
  mean: perChannel.default([0]),
  std: perChannel.refine((values) => values.every((value) => value !== 0), 'must not be 0').default([1]),
  /** Index → name. */
  labels: z.array(z.string().max(256)).max(100_000).optional(),
  topK: z.number().int().min(1).max(1000).default(5),
  /** `auto`: softmax, unless the graph's output is a distribution already. */
  activation: z.enum(['softmax', 'none', 'auto']).default('auto'),
});
export type ImageSettings = z.infer<typeof imageSettingsSchema>;

/** The attachment holds the pixels row by row from the top left, one byte (gray8) or three (rgb8) each, nothing between rows. */
export const imageOrderSchema = z.strictObject({
  format: z.enum(['rgb8', 'gray8']),
  width: z.number().int().min(1).max(16_384),
  height: z.number().int().min(1).max(16_384),
});
export type ImageOrder = z.infer<typeof imageOrderSchema>;

export const imageResultSchema = z.strictObject({
  /** Best first, ties to the lowest index. */
  labels: z.array(z.strictObject({ index: z.number().int().min(0), label: z.string().optional(), score: z.number() })).max(1000),
  backend: z.enum(['webgpu', 'wasm']),
});
export type ImageResult = z.infer<typeof imageResultSchema>;
