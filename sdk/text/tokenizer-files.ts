/** The tokenizer of a model as its manifest carries it: one JSON object with tokenizer.json and tokenizer_config.json. */
import { z } from 'zod';

/** In a tokenizer_config.json a special token is its text, or an object with it. */
const tokenNameSchema = z.union([z.string(), z.looseObject({ content: z.string() }).transform((token) => token.content)]);
const tokenName = tokenNameSchema.nullish();

export const tokenizerFilesSchema = z.object({
  tokenizer: z.looseObject({
    model: z.looseObject({}),
    added_tokens: z
      .array(z.looseObject({ id: z.number().int().nonnegative(), content: z.string(), special: z.boolean().default(false) }))
      .default([]),
    normalizer: z.unknown().default(null),
    pre_tokenizer: z.unknown().default(null),
    post_processor: z.unknown().default(null),
    decoder: z.unknown().default(null),
  }),
  config: z
    .looseObject({
      bos_token: tokenName,
      eos_token: tokenName,
      unk_token: tokenName,
      pad_token: tokenName,
      additional_special_tokens: z.array(tokenNameSchema).nullish(),
      chat_template: z.union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))]).nullish(),
    })
    .default({}),
});
export type TokenizerFiles = z.infer<typeof tokenizerFilesSchema>;

/** Some checkpoints carry several named templates; "default" is the one for plain chat. */
export function chatTemplateOf(config: TokenizerFiles['config']): string | null {
  const { chat_template: found } = config;
  if (Array.isArray(found)) return found.find(({ name }) => name === 'default')?.template ?? null;
  return found ?? null;
}
