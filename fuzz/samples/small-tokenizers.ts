/** Tokenizers of a few tokens, one of each kind that a decoder plan knows. */
const vocab = { '<s>': 0, '</s>': 1, a: 2, b: 3, '\u0120': 4, ab: 5, '\u2581a': 6, '<0x41>': 7, '\u0120b': 8 };
const added = [
  { id: 0, content: '<s>', special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
  { id: 1, content: '</s>', special: true, single_word: false, lstrip: false, rstrip: false, normalized: false },
];
const template = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [],
  special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
};

export const smallDecoders = [
  { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
  { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split: false },
  { type: 'Replace', pattern: { Regex: '[a-c]+' }, content: 'x' },
];

export const smallTokenizers = smallDecoders.slice(0, 3).map((decoder, index) => ({
  version: '1.0',
  added_tokens: added,
  normalizer:
    index === 1
      ? {
          type: 'Sequence',
          normalizers: [
            { type: 'Prepend', prepend: '\u2581' },
            { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
          ],
        }
      : null,
  pre_tokenizer: index === 0 ? { type: 'ByteLevel', add_prefix_space: false, use_regex: true } : null,
  post_processor: template,
  decoder,
  model: { type: 'BPE', unk_token: '<s>', byte_fallback: index === 1, fuse_unk: false, vocab, merges: ['a b', '\u0120 b'] },
}));
