import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { byteCodec, byteIds } from '../../testing/byte-codec.ts';
import { codecOf, tokenizerFiles, tokenizerFolders } from '../../testing/tokenizer-folders.ts';

const samples = [
  'Once upon a time, there was a little girl.',
  '  two spaces before, one after ',
  'naïve café 日本語 🙂👩‍👩‍👧 e\u0301',
  'line\n\n\tline',
  '\ufeffa mark of byte order',
];

for (const { name, folder } of tokenizerFolders()) {
  const skip = folder === null ? 'needs VESSEL_FIXTURES' : false;

  test(`${name}: the pieces of a stream joined are the text that was encoded`, { skip }, () => {
    const codec = codecOf(folder!);
    for (const text of samples) {
      const stream = codec.stream();
      const pieces = codec.encode(text, { special: true }).map((id) => stream.push(id));
      // Qwen's tokenizer composes accents.
      assert.equal((pieces.join('') + stream.end()).normalize('NFC'), text.normalize('NFC'));
      for (const piece of pieces) assert.ok(piece.isWellFormed() && !piece.includes('\ufffd'));
    }
  });

  test(`${name}: any ids whatever stream to what the tokenizer library decodes them to`, { skip }, () => {
    const codec = codecOf(folder!);
    const { tokenizer, config } = tokenizerFiles(folder!);
    const reference = new Tokenizer(tokenizer, { ...config, clean_up_tokenization_spaces: false });
    const size = reference.get_vocab().size;
    const ids = fc.array(fc.oneof(fc.nat({ max: size - 1 }), fc.nat({ max: Math.min(size - 1, 260) })), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(ids, (list) => {
        // The library's byte fallback swallows a byte order mark, which is not the tokenizer's doing.
        fc.pre(!codec.decode(list).includes('\ufeff'));
        const stream = codec.stream();
        const text = list.map((id) => stream.push(id)).join('') + stream.end();
        assert.equal(text, reference.decode(list, { skip_special_tokens: true }));
        assert.equal(text, codec.decode(list));
      }),
      { numRuns: 300 },
    );
  });
}

test('a character cut over four tokens appears once, whole, with its last byte', () => {
  const stream = byteCodec().stream();
  assert.deepEqual(
    byteIds('a🙂').map((id) => stream.push(id)),
    ['a', '', '', '', '🙂'],
  );
});

test('a character that never becomes whole ends as the replacement character', () => {
  const stream = byteCodec().stream();
  assert.equal(stream.push(byteIds('🙂')[0]!), '');
  assert.equal(stream.end(), '\ufffd');
});

test('special tokens and ids outside the vocabulary are no text', () => {
  assert.equal(byteCodec().decode([1, ...byteIds('a'), 2, 999_999, ...byteIds('b')]), 'ab');
});

test('a SentencePiece text loses its first space, a continuation keeps it', () => {
  const codec = codecOf(tokenizerFolders().find(({ name }) => name === 'stories260K')!.folder!);
  const ids = codec.encode('there was', { special: false });
  assert.equal(codec.decode(ids), 'there was');
  assert.equal(codec.decode(ids, { continues: true }), ' there was');
});
