/** The network as an asker sees it, answering with ids from a script. It keeps the contract of `AskIdsFunction` to the letter. */
import type { AskEvent, AskIds, AskIdsFunction } from '../shared/protocol/asking.ts';
import { VesselError } from '../shared/protocol/errors.ts';

export interface FakeAskerOptions {
  /** The ids the model would go on to produce. When they run out the answer ends as if by a stop id. */
  answer: (request: AskIds) => number[];
  /** Awaited before the route (index −1) and before each token; it may throw. An abort ends the wait. */
  before?: (index: number, request: AskIds) => Promise<void> | void;
}

export class FakeAsker {
  /** Every request, in order. */
  readonly requests: AskIds[] = [];
  /** Sessions that are open now. */
  open = 0;
  /** Sessions that ended because their asker left. */
  cancelled = 0;
  readonly #options: FakeAskerOptions;

  constructor(options: FakeAskerOptions) {
    this.#options = options;
  }

  readonly askIds: AskIdsFunction = (request) => this.#run(request);

  async *#run(request: AskIds): AsyncGenerator<AskEvent, void, void> {
    const session = `session-${this.requests.push(request)}`;
    this.open++;
    let isOver = false;
    try {
      await this.#before(-1, request);
      const hop = { provider: 'fake-peer', from: 0, to: 8, backend: 'wasm' as const, adapter: 'fake' };
      yield { type: 'route', session, hops: [hop] };
      const ids = this.#options.answer(request);
      for (let index = 0; index < request.maxTokens; index++) {
        await this.#before(index, request);
        const id = ids[index];
        if (id === undefined || request.stopIds.includes(id)) {
          isOver = true;
          yield done('stop');
          return;
        }
        yield tokenEvent(index, id, request.sampling.topLogprobs);
      }
      isOver = true;
      yield done('length');
    } catch (error) {
      isOver = !(error instanceof VesselError && error.code === 'cancelled');
      throw error;
    } finally {
      this.open--;
      if (!isOver) this.cancelled++;
    }
  }

  async #before(index: number, request: AskIds): Promise<void> {
    await orAborted(Promise.resolve(this.#options.before?.(index, request)), request.signal);
  }
}

function tokenEvent(index: number, id: number, topLogprobs: number | null): AskEvent {
  if (topLogprobs === null) return { type: 'token', index, id, logprob: null, top: [] };
  const top = Array.from({ length: topLogprobs }, (_, rank) => ({ id: id + rank, logprob: -0.25 - rank }));
  return { type: 'token', index, id, logprob: -0.25, top };
}

function done(reason: 'stop' | 'length'): AskEvent {
  return { type: 'done', reason, stats: { bytesPerTokenPerHop: 256, relayMessagesPerToken: 0, failovers: 0, recoveries: [] } };
}

function orAborted(wait: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new VesselError('cancelled'));
    if (signal?.aborted) {
      wait.catch(() => undefined);
      onAbort();
      return;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    wait.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort));
  });
}
