/** OpenAI parameters that Vessel understands but cannot honour. Ignoring them would give an answer to another question. */
import { RequestError } from '../request-error.ts';

interface Unsupported {
  /** Values that ask for nothing beyond plain text and are let through. */
  isHarmless: (value: unknown) => boolean;
  message: string;
}

const isAbsent = (value: unknown) => value === null || value === undefined;
const isEmpty = (value: unknown) => isAbsent(value) || (Array.isArray(value) && value.length === 0);
const isNone = (value: unknown) => isAbsent(value) || value === 'none';
const isOneOf =
  (...values: unknown[]) =>
  (value: unknown) =>
    isAbsent(value) || values.includes(value);

function isTextFormat(value: unknown): boolean {
  return isAbsent(value) || (typeof value === 'object' && value !== null && 'type' in value && value.type === 'text');
}

function isTextOnly(value: unknown): boolean {
  return isAbsent(value) || (Array.isArray(value) && value.every((modality) => modality === 'text'));
}

const tools = { isHarmless: isEmpty, message: 'Tools and functions are not supported: leave this out.' };
const choice = { isHarmless: isNone, message: tools.message };
const audio = { isHarmless: isTextOnly, message: 'Only text can be asked for.' };

export const chatUnsupported: Record<string, Unsupported> = {
  tools,
  functions: tools,
  tool_choice: { isHarmless: isOneOf('none', 'auto'), message: tools.message },
  function_call: choice,
  parallel_tool_calls: { isHarmless: (value) => isAbsent(value) || typeof value === 'boolean', message: 'Must be a boolean.' },
  response_format: { isHarmless: isTextFormat, message: "Only {type: 'text'} is supported: ask for JSON in the prompt." },
  modalities: audio,
  audio: { isHarmless: isAbsent, message: audio.message },
  prediction: { isHarmless: isAbsent, message: 'Predicted output is not supported.' },
  web_search_options: { isHarmless: isAbsent, message: 'Web search is not supported.' },
  reasoning_effort: { isHarmless: isNone, message: 'Reasoning effort is not supported.' },
  verbosity: { isHarmless: isOneOf('medium'), message: 'Verbosity is not supported.' },
};

export const completionUnsupported: Record<string, Unsupported> = {
  echo: { isHarmless: isOneOf(false), message: 'Echo is not supported: the prompt is yours already.' },
  suffix: { isHarmless: isOneOf(''), message: 'Suffix is not supported.' },
  response_format: chatUnsupported.response_format!,
  tools,
};

/**
 * Returns the body without the parameters in the table.
 * @throws RequestError `unsupported` for the first of them that asks for something
 */
export function refuseUnsupported(body: unknown, table: Record<string, Unsupported>): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(
    Object.entries(body).filter(([param, value]) => {
      const entry = Object.hasOwn(table, param) ? table[param] : undefined;
      if (!entry) return true;
      if (entry.isHarmless(value)) return false;
      throw new RequestError('unsupported', `'${param}': ${entry.message}`, { param });
    }),
  );
}
