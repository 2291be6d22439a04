/**
 * Text to token ids and back, for one model. Everything below this layer speaks in ids; everything above it in text.
 *
 *     const codec = new TextCodec(JSON.parse(blob));
 *     const promptIds = codec.applyChatTemplate([{ role: 'user', content: 'Hello' }]);
 *     codec.decode(answerIds);
 */
import { Tokenizer } from '@huggingface/tokenizers';
import { VesselError } from '../../shared/protocol/errors.ts';
import { type ChatMessage, ChatTemplate, type ChatTemplateOptions } from './chat-template.ts';
import { parseDecoderPlan } from './decoder-plan.ts';
import { TokenBytes } from './token-bytes.ts';
import { TokenStream, type TokenStreamOptions } from './token-stream.ts';
import { chatTemplateOf, type TokenizerFiles, tokenizerFilesSchema } from './tokenizer-files.ts';

export interface TokenText {
  /** The token as text; a token that is not whole characters is written `bytes:\xE2\x80`, as the OpenAI API does. */
  text: string;
  bytes: number[];
}

export class TextCodec {
  readonly #tokenizer: Tokenizer;
  readonly #specialIds: Set<number>;
  readonly #bytes: TokenBytes;
  readonly #template: ChatTemplate | null;

  /**
   * @param files `{tokenizer, config}`: the JSON of the manifest's tokenizer blob
   * @param now asked by chat templates that write today's date
   * @throws VesselError `bad_checkpoint` when it is damaged or of a kind that cannot be used
   */
  constructor(files: unknown, { now = () => new Date() }: { now?: () => Date } = {}) {
    const parsed = tokenizerFilesSchema.safeParse(files);
    if (!parsed.success) {
      throw new VesselError('bad_checkpoint', 'The tokenizer of this model is damaged.', { cause: parsed.error });
    }
    const { tokenizer, config } = parsed.data;
    this.#tokenizer = buildTokenizer(parsed.data);
    this.#specialIds = specialIdsOf(parsed.data);
    const addedIds = new Set(tokenizer.added_tokens.map(({ id }) => id));
    this.#bytes = new TokenBytes(
      parseDecoderPlan(tokenizer.decoder),
      (id) => this.#tokenizer.id_to_token(id),
      (id) => addedIds.has(id),
    );
    const template = chatTemplateOf(config);
    this.#template = template === null ? null : new ChatTemplate(template, templateTokens(config), now);
  }

  get hasChatTemplate(): boolean {
    return this.#template !== null;
  }

  /**
   * Special tokens written out in the text become their ids.
   * @param special run the tokenizer's own post-processor, which adds a beginning-of-text id where the model wants one
   */
  encode(text: string, { special }: { special: boolean }): number[] {
    if (text === '' && !special) return [];
    const ids = this.#encode(text, special);
    return ids.map((id) => {
      if (id !== undefined) return id;
      throw new VesselError('bad_request', 'The text has characters that this model has no token for.');
    });
  }

  /** What a damaged tokenizer.json says wrong, the library notices only here. */
  #encode(text: string, special: boolean): (number | undefined)[] {
    try {
      return this.#tokenizer.encode(text, { add_special_tokens: special }).ids;
    } catch (cause) {
      throw new VesselError('bad_checkpoint', 'The tokenizer of this model is damaged.', { cause });
    }
  }

  /** @throws VesselError `unsupported` when the model has no chat template */
  applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): number[] {
    if (!this.#template) {
      throw new VesselError('unsupported', 'This model has no chat template: use /v1/completions with a prompt instead.');
    }
    // The template writes the special tokens itself; the post-processor would add a second beginning-of-text.
    return this.encode(this.#template.render(messages, options), { special: false });
  }

  /** Text of a finished list of ids, without special tokens. */
  decode(ids: readonly number[], options: TokenStreamOptions = {}): string {
    const stream = this.stream(options);
    return ids.map((id) => stream.push(id)).join('') + stream.end();
  }

  /** Text of ids that are still arriving. */
  stream(options: TokenStreamOptions = {}): TokenStream {
    return new TokenStream(this.#bytes, (id) => this.isSpecial(id), options);
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }

  /** One token by itself, special ones included, as log-probabilities report it. */
  tokenText(id: number): TokenText {
    const bytes = this.#bytes.of(id);
    return { text: wholeText(bytes) ?? escaped(bytes), bytes: [...bytes] };
  }
}

function buildTokenizer({ tokenizer, config }: TokenizerFiles): Tokenizer {
  try {
    return new Tokenizer(tokenizer, { ...config, additional_special_tokens: config.additional_special_tokens ?? [] });
  } catch (cause) {
    throw new VesselError('bad_checkpoint', 'The tokenizer of this model is of a kind that is not supported.', { cause });
  }
}

function specialIdsOf({ tokenizer, config }: TokenizerFiles): Set<number> {
  const named = new Set(config.additional_special_tokens ?? []);
  return new Set(tokenizer.added_tokens.filter((token) => token.special || named.has(token.content)).map(({ id }) => id));
}

function templateTokens(config: TokenizerFiles['config']): Record<string, string> {
  const { bos_token, eos_token, unk_token, pad_token } = config;
  const tokens = { bos_token, eos_token, unk_token, pad_token };
  return Object.fromEntries(Object.entries(tokens).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function wholeText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function escaped(bytes: Uint8Array): string {
  return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
}
