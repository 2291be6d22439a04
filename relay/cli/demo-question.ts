/** One question through the relay's HTTP API, streamed, and everything that can be told of its answer. */
import type { Recovery, RouteHop } from '../../shared/protocol/asking.ts';
import { type ErrorCode, errorCodes, VesselError } from '../../shared/protocol/errors.ts';
import type { CommandIo } from './command.ts';

export interface DemoQuestion {
  prompt: string;
  isRaw: boolean;
  maxTokens: number;
  temperature: number;
  seed: number | null;
  ignoreEos: boolean;
}

export interface DemoReport {
  text: string;
  promptIds: number[];
  /** Without the stop id. */
  tokenIds: number[];
  route: RouteHop[];
  finishReason: string;
  firstTokenMs: number;
  tokensPerSecond: number | null;
  bytesPerTokenPerHop: number;
  relayMessagesPerToken: number;
  failovers: number;
  recoveries: Recovery[];
}

interface Chunk {
  error?: { message: string; code: string };
  choices?: {
    text?: string;
    delta?: { content?: string };
    logprobs?: { content?: unknown[]; tokens?: unknown[] } | null;
    finish_reason?: string | null;
  }[];
  vessel?: {
    choices: {
      promptIds: number[];
      tokenIds: number[];
      route: RouteHop[];
      stats: { bytesPerTokenPerHop: number; relayMessagesPerToken: number; failovers: number; recoveries: Recovery[] } | null;
      firstTokenMs: number;
      tokensPerSecond: number | null;
    }[];
  };
}

export async function askDemo(
  url: string,
  model: string,
  question: DemoQuestion,
  io: CommandIo,
  signal: AbortSignal,
  /** Called with the number of tokens so far. */
  onTokens?: (tokens: number) => void,
): Promise<DemoReport> {
  const { prompt, isRaw, maxTokens, temperature, seed, ignoreEos } = question;
  const response = await fetch(new URL(isRaw ? '/v1/completions' : '/v1/chat/completions', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      ...(isRaw ? { prompt } : { messages: [{ role: 'user', content: prompt }] }),
      max_tokens: maxTokens,
      temperature,
      ...(seed === null ? {} : { seed }),
      stream: true,
      // A piece of text may stand for several tokens; their probabilities come one by one.
      ...(onTokens ? { logprobs: isRaw ? 1 : true } : {}),
      vessel: { detail: true, ...(ignoreEos ? { ignore_eos: true } : {}) },
    }),
    signal,
  });
  if (!response.ok) throw apiError(((await response.json()) as Chunk).error);
  let text = '';
  let finishReason = '';
  let tokens = 0;
  let detail: NonNullable<Chunk['vessel']>['choices'][number] | undefined;
  for await (const chunk of serverEvents(response.body!)) {
    if (chunk.error) throw apiError(chunk.error);
    const choice = chunk.choices?.[0];
    const piece = choice?.text ?? choice?.delta?.content ?? '';
    if (io.stderr.isTTY) io.stderr.write(piece);
    text += piece;
    tokens += (choice?.logprobs?.content ?? choice?.logprobs?.tokens ?? []).length;
    if (choice?.logprobs) onTokens?.(tokens);
    finishReason = choice?.finish_reason ?? finishReason;
    detail = chunk.vessel?.choices[0] ?? detail;
  }
  if (io.stderr.isTTY) io.stderr.write('\n');
  if (!detail) throw new VesselError('internal', 'The answer came without its details.');
  const { stats, ...rest } = detail;
  return {
    text,
    promptIds: rest.promptIds,
    tokenIds: rest.tokenIds,
    route: rest.route,
    finishReason,
    firstTokenMs: rest.firstTokenMs,
    tokensPerSecond: rest.tokensPerSecond,
    bytesPerTokenPerHop: stats?.bytesPerTokenPerHop ?? 0,
    relayMessagesPerToken: stats?.relayMessagesPerToken ?? 0,
    failovers: stats?.failovers ?? 0,
    recoveries: stats?.recoveries ?? [],
  };
}

async function* serverEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Chunk> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('data: ') && line !== 'data: [DONE]') yield JSON.parse(line.slice('data: '.length)) as Chunk;
    }
  }
}

function apiError(error: { message: string; code: string } | undefined): VesselError {
  const code = errorCodes.find((known) => known === error?.code) ?? ('internal' satisfies ErrorCode);
  return new VesselError(code, error?.message);
}
