/** One answer: ids from the network become text, stop strings end it, and what happened is written down. */

import { AnswerText } from '../../../sdk/text/answer-text.ts';
import type { TextCodec } from '../../../sdk/text/text-codec.ts';
import type { AskIds, AskIdsFunction, RouteHop, TokenLogprob } from '../../../shared/protocol/asking.ts';
import type { AnswerOutcome } from './answer-outcome.ts';

export interface AnswerToken {
  id: number;
  /** Null when no log-probabilities were asked for. */
  logprob: number | null;
  top: TokenLogprob[];
}

export interface PlacedToken {
  offset: number;
  token: AnswerToken;
}

export type FinishReason = 'stop' | 'length';

export type AnswerEvent =
  | { type: 'open'; index: number }
  | { type: 'text'; index: number; text: string; tokens: PlacedToken[] }
  | { type: 'end'; index: number; reason: FinishReason; outcome: AnswerOutcome };

export interface RunAnswerOptions {
  index: number;
  askIds: AskIdsFunction;
  ask: AskIds;
  codec: TextCodec;
  stops: string[];
  /** The text goes on where the prompt ended. */
  continues: boolean;
  clock: () => number;
  onToken: () => void;
  onFirstToken: (ms: number) => void;
}

export async function* runAnswer(options: RunAnswerOptions): AsyncGenerator<AnswerEvent, void, void> {
  const { index, ask, codec, clock } = options;
  const answer = new AnswerText<AnswerToken>(codec.stream({ continues: options.continues }), options.stops);
  const startedMs = clock();
  const times: { firstMs: number | null; lastMs: number } = { firstMs: null, lastMs: startedMs };
  const tokenIds: number[] = [];
  let session = '';
  let route: RouteHop[] = [];
  const outcome = (stats: AnswerOutcome['stats']): AnswerOutcome => ({
    index,
    session,
    promptIds: ask.promptIds,
    tokenIds,
    route,
    stats,
    firstTokenMs: times.firstMs === null ? null : times.firstMs - startedMs,
    tokensPerSecond: rateOf(tokenIds.length, times),
  });

  for await (const event of options.askIds(ask)) {
    switch (event.type) {
      case 'route': {
        // A second route is a failover: the answer goes on in the same session.
        if (session === '') yield { type: 'open', index };
        session = event.session;
        route = event.hops;
        break;
      }
      case 'token': {
        times.lastMs = clock();
        if (times.firstMs === null) {
          times.firstMs = times.lastMs;
          options.onFirstToken(times.firstMs - startedMs);
        }
        tokenIds.push(event.id);
        options.onToken();
        const piece = answer.push({ id: event.id, logprob: event.logprob, top: event.top });
        if (piece.text !== '') yield { type: 'text', index, text: piece.text, tokens: piece.tokens };
        if (piece.isStopped) {
          yield { type: 'end', index, reason: 'stop', outcome: outcome(null) };
          return;
        }
        break;
      }
      case 'done': {
        const piece = answer.end();
        if (piece.text !== '' || piece.tokens.length > 0) yield { type: 'text', index, text: piece.text, tokens: piece.tokens };
        yield { type: 'end', index, reason: piece.isStopped ? 'stop' : event.reason, outcome: outcome(event.stats) };
        return;
      }
      default:
        event satisfies never;
    }
  }
}

function rateOf(tokens: number, { firstMs, lastMs }: { firstMs: number | null; lastMs: number }): number | null {
  if (firstMs === null || tokens < 2 || lastMs <= firstMs) return null;
  return ((tokens - 1) * 1000) / (lastMs - firstMs);
}
