/** A target for one schema of messages. What parses must be written so that it parses to the same again. */
import { equal } from 'node:assert/strict';
import type { z } from 'zod';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import { stringifyMessage } from '../../shared/protocol/stringify-message.ts';
import type { TextTarget } from '../engine/target.ts';

/** `samples`: one valid message of each kind at least; each must parse. `also`: what else is done with a message. */
export function messageTarget<Schema extends z.ZodType<object>>(
  name: string,
  schema: Schema,
  samples: readonly object[],
  also: (message: z.infer<Schema>) => unknown = () => '',
): TextTarget {
  return {
    name,
    form: 'json',
    maxLength: 64 * 1024,
    seeds: samples.map((sample) => JSON.stringify(sample)),
    refusals: ['bad_message'],
    decode(text) {
      const message = parseMessage(schema, text);
      const written = stringifyMessage(message);
      equal(stringifyMessage(parseMessage(schema, written)), written);
      return also(message);
    },
  };
}
