import type { Architecture } from '../architecture.ts';
import { architectureSchema } from '../manifest.ts';
import { type Json, refuseConfig } from './config-reader.ts';
import { readGemma3, readNestedGemma3 } from './gemma3.ts';
import { readLlama, readMistral } from './llama.ts';
import { readQwen2, readQwen3 } from './qwen.ts';

/** By `model_type` of config.json. A new family of the same layers is one entry here. */
const readers = new Map<unknown, (config: Json) => Architecture>([
  ['llama', readLlama],
  ['mistral', readMistral],
  ['qwen2', readQwen2],
  ['qwen3', readQwen3],
  ['gemma3_text', readGemma3],
  ['gemma3', readNestedGemma3],
]);

/** What a parsed config.json describes. Throws `bad_checkpoint` with the reason if it cannot be run exactly as it means. */
export function readArchitecture(config: Json): Architecture {
  const read = readers.get(config.model_type);
  if (!read) {
    const known = [...readers.keys()].join(', ');
    throw refuseConfig(`models of type ${JSON.stringify(config.model_type ?? null)} are not supported. Supported are: ${known}.`);
  }
  const classes = config.architectures ?? null;
  if (Array.isArray(classes) && !classes.some((name) => /For(CausalLM|ConditionalGeneration)$/.test(String(name)))) {
    throw refuseConfig(`${classes.join(', ')} does not generate text; a checkpoint of a causal language model is needed.`);
  }
  const architecture = read(config);
  const checked = architectureSchema.safeParse(architecture);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw refuseConfig(`${issue?.path.join('.')} is out of range (${issue?.message}).`);
  }
  return architecture;
}
