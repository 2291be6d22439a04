import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VesselError } from '../../shared/protocol/errors.ts';
import { byteCodecFiles } from '../../testing/byte-codec.ts';
import { parseDecoderPlan } from './decoder-plan.ts';
import { TextCodec } from './text-codec.ts';

const isRefused = (error: unknown) => error instanceof VesselError && error.code === 'bad_checkpoint';

test('the chains of Llama 2, Gemma 3 and byte-level models are read', () => {
  const replace = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
  const llama = {
    type: 'Sequence',
    decoders: [replace, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
  };
  assert.deepEqual(parseDecoderPlan(llama).strip, { byte: 32, count: 1 });
  const gemma = { type: 'Sequence', decoders: [replace, { type: 'ByteFallback' }, { type: 'Fuse' }] };
  assert.equal(parseDecoderPlan(gemma).strip, null);
  assert.ok(parseDecoderPlan(gemma).byteFallback);
  assert.equal(parseDecoderPlan({ type: 'ByteLevel' }).alphabet, 'byte-level');
});

test('a chain that is more than bytes per token is refused, not approximated', () => {
  const chains = [
    null,
    { type: 'WordPiece', prefix: '##', cleanup: true },
    { type: 'Sequence', decoders: [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] },
    { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Strip', content: ' ', start: 0, stop: 1 }] },
    { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Replace', pattern: { String: 'ab' }, content: 'c' }] },
  ];
  for (const chain of chains) assert.throws(() => parseDecoderPlan(chain), isRefused);
});

test('Metaspace drops every mark of the first token and turns later ones into spaces', () => {
  const tokenizer = {
    ...byteCodecFiles().tokenizer,
    added_tokens: [],
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    model: { type: 'BPE', unk_token: null, merges: [], vocab: { '▁▁a': 0, '▁b': 1 } },
  };
  const codec = new TextCodec({ tokenizer, config: {} });
  assert.equal(codec.decode([0, 1, 0]), 'a b  a');
  assert.equal(codec.decode([1], { continues: true }), ' b');
});
