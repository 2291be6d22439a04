/** model.safetensors.index.json beside one real file of weights. */
import { CheckpointFiles } from '../../shared/models/checkpoint-files.ts';
import { findTensors } from '../../shared/models/find-tensors.ts';
import { encodeSafetensors } from '../../testing/safetensors-writer.ts';
import type { TextTarget } from '../engine/target.ts';
import { fileSource } from '../samples/file-source.ts';

const part = (name: string) => encodeSafetensors([{ name, dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }]);
const encoder = new TextEncoder();

export const target: TextTarget = {
  name: 'weight-index',
  form: 'json',
  maxLength: 32 * 1024,
  seeds: [
    JSON.stringify({ metadata: { total_size: 8 }, weight_map: { a: 'one.safetensors', b: 'two.safetensors' } }),
    '{"weight_map":{}}',
  ],
  refusals: ['bad_checkpoint'],
  async decode(text) {
    const files = new Map([
      ['model.safetensors.index.json', encoder.encode(text)],
      ['one.safetensors', part('a')],
      ['two.safetensors', part('b')],
    ]);
    return `${(await findTensors(await CheckpointFiles.list(fileSource(files)))).size}`;
  },
};
