/** Real tokenizers to test with: those in the repository, and larger ones where `VESSEL_FIXTURES` names a folder that has them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TextCodec } from '../sdk/text/text-codec.ts';

const repository = join(import.meta.dirname, '..');
const inRepository = { 'vessel-tiny': 'public/models/vessel-tiny', stories260K: 'testing/fixtures/stories260K/hf' };
const larger = { gpt2: 'tokenizers/gpt2', qwen: 'tokenizers/qwen' };

/** `folder` is null where the test must be skipped. */
export function tokenizerFolders(): { name: string; folder: string | null }[] {
  const fixtures = process.env.VESSEL_FIXTURES;
  return [
    ...Object.entries(inRepository).map(([name, path]) => ({ name, folder: join(repository, path) })),
    ...Object.entries(larger).map(([name, path]) => ({ name, folder: fixtures ? join(fixtures, path) : null })),
  ];
}

export function tokenizerFiles(folder: string): { tokenizer: object; config: object } {
  const read = (name: string): object => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  // The larger ones come as bare tokenizers.
  const hasConfig = existsSync(join(folder, 'tokenizer_config.json'));
  return { tokenizer: read('tokenizer.json'), config: hasConfig ? read('tokenizer_config.json') : {} };
}

export function codecOf(folder: string): TextCodec {
  return new TextCodec(tokenizerFiles(folder));
}
