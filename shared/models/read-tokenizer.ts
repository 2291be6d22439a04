/** The tokenizer of a checkpoint as Vessel stores it, checked against the rows of the embedding. */
import { VesselError } from '../protocol/errors.ts';
import type { CheckpointFiles } from './checkpoint-files.ts';
import type { Json } from './families/config-reader.ts';

export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer: Json;
  /** tokenizer_config.json, the chat template in it wherever the folder keeps it. */
  config: Json;
}

/** `vocab`: rows of the embedding. Throws `bad_checkpoint` if the tokenizer could give ids beyond them. */
export async function readTokenizer(files: CheckpointFiles, vocab: number): Promise<TokenizerFiles> {
  const tokenizer = await files.requireObject('tokenizer.json');
  const config = await files.requireObject('tokenizer_config.json');
  const template = await readChatTemplate(files);
  if (template !== null) config.chat_template = template;
  return fitToVocabulary({ tokenizer, config }, vocab);
}

/** The id of a token by its text, or null. */
export function tokenId({ tokenizer }: TokenizerFiles, text: unknown): number | null {
  const content = typeof text === 'object' && text !== null && 'content' in text ? text.content : text;
  if (typeof content !== 'string') return null;
  return addedTokens(tokenizer).find((token) => token.content === content)?.id ?? vocabulary(tokenizer).get(content) ?? null;
}

/** A template in a file of its own goes before the one in tokenizer_config.json, as in transformers. */
async function readChatTemplate(files: CheckpointFiles): Promise<unknown> {
  if (files.names.has('chat_template.jinja')) return files.text('chat_template.jinja');
  return (await files.object('chat_template.json'))?.chat_template ?? null;
}

/**
 * More rows than ids is usual (padding). Fewer is fatal, with one exception: text checkpoints of Gemma 3 carry the special token
 * of a vision model that they have no row for. Such special tokens are taken out, so that their text is encoded as plain text.
 */
function fitToVocabulary(files: TokenizerFiles, vocab: number): TokenizerFiles {
  const known = vocabulary(files.tokenizer);
  const added = addedTokens(files.tokenizer);
  const surplus = new Set(added.filter((token) => token.id >= vocab && token.special).map((token) => token.content));
  for (const [content, id] of [...known, ...added.map((token): [string, number] => [token.content, token.id])]) {
    if (id < vocab || surplus.has(content)) continue;
    throw new VesselError(
      'bad_checkpoint',
      `tokenizer.json gives ${JSON.stringify(content)} the id ${id}, but the model has only ${vocab} embeddings: they do not belong together.`,
    );
  }
  const processorIds = specialIds(files.tokenizer.post_processor);
  if (processorIds.some((id) => id >= vocab)) {
    throw new VesselError(
      'bad_checkpoint',
      `tokenizer.json adds an id beyond the model's ${vocab} embeddings: they do not belong together.`,
    );
  }
  return surplus.size ? withoutTokens(files, surplus) : files;
}

function withoutTokens({ tokenizer, config }: TokenizerFiles, surplus: ReadonlySet<string>): TokenizerFiles {
  const model = { ...(tokenizer.model as Json) };
  if (!Array.isArray(model.vocab)) {
    model.vocab = Object.fromEntries(Object.entries(model.vocab as Json).filter(([content]) => !surplus.has(content)));
  }
  const added = (tokenizer.added_tokens as Json[]).filter((token) => !surplus.has(String(token.content)));
  const decoder = Object.entries((config.added_tokens_decoder ?? {}) as Record<string, Json>);
  return {
    tokenizer: { ...tokenizer, model, added_tokens: added },
    config: {
      ...config,
      added_tokens_decoder: Object.fromEntries(decoder.filter(([, token]) => !surplus.has(String(token.content)))),
    },
  };
}

/** Token to id: an object for BPE and WordPiece, a list of [token, score] for Unigram. */
function vocabulary(tokenizer: Json): Map<string, number> {
  const model = tokenizer.model;
  const vocab: unknown = typeof model === 'object' && model !== null && 'vocab' in model ? model.vocab : null;
  const entries: [unknown, unknown][] = Array.isArray(vocab)
    ? vocab.map((entry: unknown, id) => [Array.isArray(entry) ? entry[0] : null, id])
    : Object.entries(vocab ?? {});
  const known = new Map<string, number>();
  for (const [content, id] of entries) {
    if (typeof content !== 'string' || !isId(id))
      throw new VesselError('bad_checkpoint', 'tokenizer.json has a malformed vocabulary.');
    known.set(content, id);
  }
  if (known.size === 0) throw new VesselError('bad_checkpoint', 'tokenizer.json has no vocabulary.');
  return known;
}

function addedTokens(tokenizer: Json): { id: number; content: string; special: boolean }[] {
  const added: unknown = tokenizer.added_tokens ?? [];
  if (!Array.isArray(added)) throw new VesselError('bad_checkpoint', 'tokenizer.json has malformed "added_tokens".');
  return added.map((token: Partial<Json> | null) => {
    if (!isId(token?.id) || typeof token?.content !== 'string') {
      throw new VesselError('bad_checkpoint', 'tokenizer.json has a malformed entry in "added_tokens".');
    }
    return { id: token.id, content: token.content, special: token.special === true };
  });
}

/** Every number in an "ids" list anywhere in the post-processor. */
function specialIds(node: unknown): number[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    key === 'ids' && Array.isArray(value) ? value.filter((id): id is number => typeof id === 'number') : specialIds(value),
  );
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
