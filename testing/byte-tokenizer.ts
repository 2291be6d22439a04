/** A small valid tokenizer: byte-level BPE with three special tokens, 256 bytes and a few merges, and a ChatML template. */

export const specialTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;
/** Ids of `<|im_end|>` and `<|endoftext|>`: what ends an answer. */
export const stopIds = [2, 0];

const merges = [
  't h',
  'th e',
  'Ġ the',
  'i n',
  'e r',
  'a n',
  'Ġ a',
  'o n',
  'r e',
  'an d',
  'Ġ and',
  'o u',
  'in g',
  'Ġ t',
  'e n',
  'e d',
];

/** Ids this tokenizer can give: special tokens, bytes, merges. */
export const tokenizerSize = specialTokens.length + 256 + merges.length;

const chatTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** tokenizer.json */
export function byteTokenizer(): object {
  const tokens = [...specialTokens, ...byteAlphabet(), ...merges.map((merge) => merge.replace(' ', ''))];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}

/** tokenizer_config.json */
export function byteTokenizerConfig(): object {
  return {
    add_bos_token: false,
    add_prefix_space: false,
    bos_token: '<|endoftext|>',
    eos_token: '<|im_end|>',
    pad_token: '<|endoftext|>',
    chat_template: chatTemplate,
    clean_up_tokenization_spaces: false,
    tokenizer_class: 'GPT2Tokenizer',
  };
}

/** GPT-2's printable character for each byte: itself where it prints, else the next free one from U+0100 on. */
function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(prints ? byte : next++);
  });
}
