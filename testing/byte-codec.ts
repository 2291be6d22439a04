/** The small byte-level tokenizer as a codec, with a beginning-of-text id and a chat template that refuses odd roles. */
import { TextCodec } from '../sdk/text/text-codec.ts';
import { byteTokenizer, byteTokenizerConfig, specialTokens } from './byte-tokenizer.ts';

const bos = specialTokens[0];
const chatTemplate =
  "{% for message in messages %}{% if message.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('unknown role') }}{% endif %}" +
  "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** What a manifest's tokenizer blob would hold. */
export function byteCodecFiles({ withTemplate = true } = {}): { tokenizer: object; config: object } {
  const postProcessor = {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { [bos]: { id: bos, ids: [0], tokens: [bos] } },
  };
  return {
    tokenizer: { ...byteTokenizer(), post_processor: postProcessor },
    config: { ...byteTokenizerConfig(), chat_template: withTemplate ? chatTemplate : null },
  };
}

export function byteCodec(): TextCodec {
  return new TextCodec(byteCodecFiles());
}

/** Ids that spell a text byte by byte. The tokenizer itself would merge some. */
export function byteIds(text: string): number[] {
  return [...new TextEncoder().encode(text)].map((byte) => byte + specialTokens.length);
}
