/** config.json of a checkpoint. An architecture that is accepted is one that a manifest may hold. */

import { CheckpointFiles } from '../../shared/models/checkpoint-files.ts';
import { readArchitecture } from '../../shared/models/families/read-architecture.ts';
import { architectureSchema } from '../../shared/models/manifest.ts';
import { familyPresets, randomCheckpoint } from '../../testing/random-checkpoint.ts';
import type { TextTarget } from '../engine/target.ts';
import { fileSource } from '../samples/file-source.ts';

const decoder = new TextDecoder();
const configs = Object.values(familyPresets).map((preset) => decoder.decode(randomCheckpoint(preset).get('config.json')!));
const nested = JSON.stringify({
  model_type: 'gemma3',
  text_config: { ...JSON.parse(configs.at(-1)!), model_type: 'gemma3_text' },
});
const encoder = new TextEncoder();

export const target: TextTarget = {
  name: 'config-json',
  form: 'json',
  maxLength: 32 * 1024,
  seeds: [...configs, nested],
  words: ['layer_types', 'full_attention', 'sliding_attention', 'rope_parameters'],
  refusals: ['bad_checkpoint'],
  async decode(text) {
    const files = await CheckpointFiles.list(fileSource(new Map([['config.json', encoder.encode(text)]])));
    return architectureSchema.parse(readArchitecture(await files.requireObject('config.json'))).family;
  },
};
