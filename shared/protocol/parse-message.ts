import type { z } from 'zod';
import { VesselError } from './errors.ts';
import { isTooDeep } from './json-depth.ts';
import { limits } from './limits.ts';

/** The one door for JSON from outside: size, syntax and schema. Throws `bad_message` naming the first field that is wrong. */
export function parseMessage<Schema extends z.ZodType>(schema: Schema, text: string): z.infer<Schema> {
  if (text.length > limits.maxMessageBytes) throw new VesselError('bad_message', 'The message is larger than allowed.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new VesselError('bad_message', 'The message is not JSON.', { cause });
  }
  if (isTooDeep(value)) throw new VesselError('bad_message', 'The message nests too deeply.');
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new VesselError('bad_message', `${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'not valid'}`);
}
