/** Token ids as a hop sends them, any of the schema's, to text: never a throw, and in pieces the same as at once. */
import { equal } from 'node:assert/strict';
import { z } from 'zod';
import { tokenId } from '../../shared/protocol/ids.ts';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import { byteCodec } from '../../testing/byte-codec.ts';
import type { TextTarget } from '../engine/target.ts';

const codec = byteCodec();
const schema = z.array(tokenId);

export const target: TextTarget = {
  name: 'token-stream',
  form: 'json',
  maxLength: 4096,
  seeds: ['[10,20,30]', '[229,130,186]', '[0,1,2,3,260,300]', '[4194303]'],
  refusals: ['bad_message'],
  decode(text) {
    const ids = parseMessage(schema, text);
    const stream = codec.stream();
    equal(ids.map((id) => stream.push(id)).join('') + stream.end(), codec.decode(ids));
    for (const id of ids.slice(0, 8)) codec.tokenText(id);
    return '';
  },
};
