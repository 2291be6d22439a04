/** A network that is not there: plays the phases of a contribution and the tokens of an answer at a pace of its own. */
import { type ErrorCode, errorCodes, VesselError } from '../../../shared/protocol/errors.ts';
import {
  type AnswerEvent,
  type AskRequest,
  type Contribution,
  type ContributionSettings,
  contributionOff,
  type NodeState,
  type Observable,
  type PauseReason,
  type RouteView,
  type VesselNode,
} from '../network.ts';
import { routes } from './scenes.ts';

const answer =
  'Pip was a fox who lived in a forest. Pip was very proud of his kite. One day, Pip came to a bridge, but a big kangaroo named Kofi stood in the middle and would not let anyone pass.';

export class FakeNode implements VesselNode {
  readonly state: Observable<NodeState>;
  #state: NodeState;
  readonly #listeners = new Set<() => void>();
  readonly #paceMs: number;
  readonly #failAsk: ErrorCode | null;
  #run = 0;

  constructor(options: { state: NodeState; paceMs: number; failAsk: string | null }) {
    this.#state = options.state;
    this.#paceMs = options.paceMs;
    this.#failAsk = errorCodes.find((code) => code === options.failAsk) ?? null;
    this.state = {
      subscribe: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      getSnapshot: () => this.#state,
    };
  }

  async startContribution(settings: ContributionSettings): Promise<void> {
    this.#run += 1;
    const run = this.#run;
    const backend = settings.backend ?? 'webgpu';
    const adapter = backend === 'wasm' ? 'wasm 1 thread' : (this.#state.support?.webgpu ?? null);
    const facts = { ...contributionOff, backend, adapter, storage: 'opfs', dutyCycle: settings.dutyCycle } as const;
    const shard = { model: 'vessel-tiny', from: 4, to: 8, layers: 8 };
    const total = 7_092_280;
    const phases: Contribution[] = [
      { ...facts, phase: 'starting' },
      ...[0, 0.2, 0.45, 0.7, 0.9, 1].map(
        (part): Contribution => ({ ...facts, shard, phase: 'downloading', progress: { bytes: Math.round(part * total), total } }),
      ),
      { ...facts, shard, phase: 'loading' },
      { ...facts, shard, phase: 'checking' },
      { ...facts, shard, phase: 'ready' },
    ];
    for (const contribution of phases) {
      if (run !== this.#run) return;
      this.#publish({ contribution });
      await this.#pace(4);
    }
  }

  async stopContribution(): Promise<void> {
    this.#run += 1;
    this.#publish({ contribution: contributionOff });
  }

  pauseContribution(reason: PauseReason): void {
    const { contribution } = this.#state;
    if (contribution.phase === 'off' || contribution.phase === 'failed') return;
    this.#publish({ contribution: { ...contribution, phase: 'paused', reason, sessions: 0 } });
  }

  resumeContribution(): void {
    const { contribution } = this.#state;
    if (contribution.phase === 'paused') this.#publish({ contribution: { ...contribution, phase: 'ready' } });
  }

  async *ask(request: AskRequest): AsyncGenerator<AnswerEvent> {
    await this.#pace(3);
    if (this.#failAsk !== null) throw new VesselError(this.#failAsk);
    const base = this.#state.route ?? routes.two;
    const pulse = (upTo: number, tokens: number): RouteView => ({
      ...base,
      active: true,
      tokens,
      hops: base.hops.map((hop, index) => ({ ...hop, pulses: tokens + (index < upTo ? 1 : 0) })),
    });
    const startedAt = performance.now();
    yield { type: 'route', hops: base.hops };
    const words = answer.split(/(?<= )/).slice(0, request.maxTokens);
    try {
      for (const [token, delta] of words.entries()) {
        for (let hop = 1; hop <= base.hops.length; hop++) {
          this.#publish({ route: pulse(hop, token) });
          await this.#pace(1 / base.hops.length);
        }
        request.signal.throwIfAborted();
        yield { type: 'text', delta };
        this.#publish({ route: pulse(0, token + 1) });
      }
      const seconds = Math.max(0.001, (performance.now() - startedAt) / 1000);
      yield {
        type: 'done',
        reason: 'stop',
        usage: { promptTokens: 20, completionTokens: words.length },
        tokensPerSecond: words.length / seconds,
        price: null,
      };
    } finally {
      if (this.#state.route !== null) this.#publish({ route: { ...this.#state.route, active: false } });
    }
  }

  #publish(change: Partial<NodeState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  #pace(times: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#paceMs * times));
  }
}
