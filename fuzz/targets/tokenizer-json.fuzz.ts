/** tokenizer.json: checked when a model is imported, then used by whoever asks. A tokenizer that is accepted encodes and decodes. */

import { TextCodec } from '../../sdk/text/text-codec.ts';
import { CheckpointFiles } from '../../shared/models/checkpoint-files.ts';
import { readTokenizer } from '../../shared/models/read-tokenizer.ts';
import type { TextTarget } from '../engine/target.ts';
import { fileSource } from '../samples/file-source.ts';
import { smallTokenizers } from '../samples/small-tokenizers.ts';

const encoder = new TextEncoder();
const config = encoder.encode('{"bos_token":"<s>","eos_token":{"content":"</s>"}}');

export const target: TextTarget = {
  name: 'tokenizer-json',
  form: 'json',
  maxLength: 32 * 1024,
  seeds: smallTokenizers.map((tokenizer) => JSON.stringify(tokenizer)),
  // `unsupported` and `bad_request`: a text that this tokenizer cannot say.
  refusals: ['bad_checkpoint', 'unsupported', 'bad_request'],
  async decode(text) {
    const files = new Map([
      ['tokenizer.json', encoder.encode(text)],
      ['tokenizer_config.json', config],
    ]);
    const tokenizer = await readTokenizer(await CheckpointFiles.list(fileSource(files)), 300);
    const codec = new TextCodec(tokenizer);
    const ids = codec.encode('a b', { special: true });
    return typeof codec.decode([...ids, 0, 1, 2, 299, 4_000_000]);
  },
};
