/** What travels back on a frame stream when a frame was not taken (SPEC FR17). */
import { z } from 'zod';
import { errorCodes } from './errors.ts';

export const frameRefusalSchema = z.strictObject({
  /** Empty when the frame was too broken to name one. */
  session: z.string().regex(/^([0-9a-f]{32})?$/),
  code: z.enum(errorCodes),
});
export type FrameRefusal = z.infer<typeof frameRefusalSchema>;
export const maxRefusalBytes = 200;
