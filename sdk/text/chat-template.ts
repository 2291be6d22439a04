/** A checkpoint's chat template (Jinja): messages in, the prompt's text out. */
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { VesselError } from '../../shared/protocol/errors.ts';
import { formatTime } from './format-time.ts';

export interface ChatMessage {
  role: string;
  /** A string, or parts of which only `{type: 'text', text}` is understood. */
  content: string | readonly { type: string; text?: string | undefined }[];
}

export interface ChatTemplateOptions {
  /** Ends the prompt with the words after which the model answers. Default true. */
  addGenerationPrompt?: boolean;
}

export class ChatTemplate {
  readonly #template: Template;
  readonly #tokens: Record<string, string>;
  readonly #now: () => Date;

  /**
   * @param tokens `bos_token`, `eos_token` and the like, as the template names them
   * @param now asked when a template writes today's date
   * @throws VesselError `bad_checkpoint` when the template does not parse
   */
  constructor(source: string, tokens: Record<string, string>, now: () => Date) {
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new VesselError('bad_checkpoint', 'The chat template of this model is not valid Jinja.', { cause });
    }
    this.#tokens = tokens;
    this.#now = now;
  }

  /** @throws VesselError `bad_request` when the template refuses the messages, `unsupported` for content that is not text */
  render(messages: readonly ChatMessage[], { addGenerationPrompt = true }: ChatTemplateOptions = {}): string {
    try {
      const result = new Interpreter(this.#environment(messages, addGenerationPrompt)).run(this.#template.parsed);
      return String(result.value);
    } catch (cause) {
      if (cause instanceof VesselError) throw cause;
      throw new VesselError('unsupported', "The model's chat template could not be applied to these messages.", { cause });
    }
  }

  /** What `Template.render` would set up, except that refusals are ours and the date is the clock's that was passed in. */
  #environment(messages: readonly ChatMessage[], addGenerationPrompt: boolean): Environment {
    const environment = new Environment();
    const variables: Record<string, unknown> = {
      ...constants,
      range,
      raise_exception: (reason: unknown) => {
        throw new VesselError('bad_request', `The model's chat template refuses these messages: ${String(reason)}`);
      },
      strftime_now: (format: string) => formatTime(this.#now(), format),
      ...this.#tokens,
      messages: messages.map(({ role, content }) => ({ role, content: textOf(content) })),
      add_generation_prompt: addGenerationPrompt,
      tools: null,
      documents: null,
    };
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    return environment;
  }
}

const constants = { true: true, True: true, false: false, False: false, none: null, None: null };

/** Python's range, no longer than a template has use for: a hostile one must not fill the memory. */
function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= 100_000)) throw new RangeError('range() is too long');
  return Array.from({ length }, (_, index) => start + index * step);
}

function textOf(content: ChatMessage['content']): string {
  if (typeof content === 'string') return content;
  return content
    .map((part) => {
      if (part.type === 'text' && typeof part.text === 'string') return part.text;
      throw new VesselError('unsupported', `Content of type "${part.type}" is not supported: send text.`);
    })
    .join('');
}
