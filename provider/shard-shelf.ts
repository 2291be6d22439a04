/**
 * The shards this provider holds, is loading, or should let go. The relay names the full list it wants; the shelf gets there one
 * load at a time. A shard with sessions on it is let go when they end, or after `drainMs`.
 */
import type { Clock } from '../shared/protocol/clock.ts';
import { toVesselError, type VesselError } from '../shared/protocol/errors.ts';
import type { ShardRef, ShardState } from '../shared/protocol/presence-messages.ts';
import type { DownloadProgress, HeldShard, LoadShard } from './provider-ports.ts';

/** Answers of ordinary length end in this time; a longer one is not worth keeping the network waiting. */
const drainMs = 30_000;
/** First pause before a failed load is tried again; doubles up to `retryMaxMs`. */
const retryMs = 2000;
const retryMaxMs = 60_000;

export function sameShard(a: ShardRef, b: ShardRef): boolean {
  return a.model === b.model && a.from === b.from && a.to === b.to;
}

/** A load that failed, and when it may be tried again. Others go on meanwhile. */
interface FailedLoad {
  ref: ShardRef;
  error: VesselError;
  tries: number;
  isDue: boolean;
  cancelRetry: () => void;
}

export class ShardShelf {
  readonly #load: LoadShard;
  readonly #exclusive: (work: () => Promise<void>) => Promise<void>;
  readonly #inUse: (held: HeldShard) => boolean;
  readonly #onGone: (held: HeldShard) => void;
  readonly #onChange: () => void;
  readonly #clock: Clock;
  #wanted: ShardRef[] = [];
  #held: HeldShard[] = [];
  /** Held, no longer wanted, still answering. */
  #draining = new Map<HeldShard, () => void>();
  #loading: { ref: ShardRef; state: ShardState; abort: AbortController; download: DownloadProgress } | null = null;
  #failed: FailedLoad[] = [];
  #emptied: (() => void)[] = [];

  constructor(fields: {
    load: LoadShard;
    exclusive: (work: () => Promise<void>) => Promise<void>;
    inUse: (held: HeldShard) => boolean;
    onGone: (held: HeldShard) => void;
    onChange: () => void;
    clock: Clock;
  }) {
    this.#load = fields.load;
    this.#exclusive = fields.exclusive;
    this.#inUse = fields.inUse;
    this.#onGone = fields.onGone;
    this.#onChange = fields.onChange;
    this.#clock = fields.clock;
  }

  get bytes(): number {
    return this.#held.reduce((sum, held) => sum + held.bytes, 0);
  }

  /** What the canary measured on the language shard; null without one. */
  get measuredStepMs(): number | null {
    for (const held of this.#held) if (held.kind === 'language') return held.stepMs ?? null;
    return null;
  }

  get failure(): VesselError | null {
    return this.#failed[0]?.error ?? null;
  }

  /** The shard if it is loaded and not being let go. */
  ready(ref: ShardRef): HeldShard | null {
    return this.#held.find((held) => sameShard(held.ref, ref) && !this.#draining.has(held)) ?? null;
  }

  readyModel(model: string): HeldShard | null {
    return this.#held.find((held) => held.ref.model === model && !this.#draining.has(held)) ?? null;
  }

  /** Of the shard that is being loaded. */
  get download(): DownloadProgress {
    return this.#loading?.download ?? { bytes: 0, total: 0 };
  }

  states(): ShardState[] {
    const states: ShardState[] = [];
    for (const held of this.#held) {
      if (!this.#draining.has(held)) states.push({ ...held.ref, phase: 'ready', progress: 1 });
    }
    if (this.#loading) states.push(this.#loading.state);
    for (const { ref } of this.#failed) states.push({ ...ref, phase: 'failed', progress: 0 });
    return states;
  }

  want(shards: readonly ShardRef[]): void {
    this.#wanted = shards.map(({ model, from, to }) => ({ model, from, to }));
    for (const { ref } of [...this.#failed]) if (!this.#isWanted(ref)) this.#forgetFailure(ref);
    if (this.#loading && !this.#isWanted(this.#loading.ref)) this.#loading.abort.abort();
    this.settle();
  }

  /** The device went away under this shard: load it again from scratch. */
  reload(held: HeldShard): void {
    this.#drop(held);
    this.settle();
  }

  /** Lets go what is idle and unwanted, and starts the next load. Call it whenever a session ended. */
  settle(): void {
    for (const held of [...this.#held]) {
      const leaving = this.#draining.get(held);
      if (this.#isWanted(held.ref)) {
        leaving?.();
        this.#draining.delete(held);
      } else if (!this.#inUse(held)) {
        this.#drop(held);
      } else if (!leaving) {
        this.#draining.set(
          held,
          this.#clock.after(drainMs, () => {
            this.#drop(held);
            this.settle();
          }),
        );
      }
    }
    if (!this.#loading && this.#draining.size === 0) {
      const next = this.#wanted.find((ref) => {
        if (this.#held.some((held) => sameShard(held.ref, ref))) return false;
        return this.#failed.find((failed) => sameShard(failed.ref, ref))?.isDue ?? true;
      });
      if (next) void this.#begin(next);
    }
    if (this.#held.length === 0 && !this.#loading) for (const done of this.#emptied.splice(0)) done();
    this.#onChange();
  }

  async empty(): Promise<void> {
    this.#wanted = [];
    for (const { ref } of [...this.#failed]) this.#forgetFailure(ref);
    this.#loading?.abort.abort();
    for (const held of [...this.#held]) this.#drop(held);
    if (this.#loading) await new Promise<void>((resolve) => this.#emptied.push(resolve));
    await this.#exclusive(async () => undefined);
  }

  async #begin(ref: ShardRef): Promise<void> {
    const tries = this.#forgetFailure(ref);
    const abort = new AbortController();
    const state: ShardState = { ...ref, phase: 'downloading', progress: 0 };
    const loading = { ref, state, abort, download: { bytes: 0, total: 0 } };
    this.#loading = loading;
    try {
      const held = await this.#load(
        ref,
        (phase, download) => {
          if (download) loading.download = download;
          const { bytes, total } = loading.download;
          loading.state = { ...ref, phase, progress: total > 0 ? Math.min(1, bytes / total) : 0 };
          this.#onChange();
        },
        abort.signal,
      );
      this.#loading = null;
      this.#held.push(held);
    } catch (thrown) {
      this.#loading = null;
      if (!abort.signal.aborted) {
        const pause = Math.min(retryMs * 2 ** tries, retryMaxMs);
        const cancelRetry = this.#clock.after(pause, () => {
          failed.isDue = true;
          this.settle();
        });
        const failed: FailedLoad = { ref, error: toVesselError(thrown), tries: tries + 1, isDue: false, cancelRetry };
        this.#failed.push(failed);
      }
    }
    this.settle();
  }

  #drop(held: HeldShard): void {
    if (!this.#held.includes(held)) return;
    this.#draining.get(held)?.();
    this.#draining.delete(held);
    this.#held = this.#held.filter((other) => other !== held);
    this.#onGone(held);
    // A device that is gone may refuse even this.
    void this.#exclusive(() => (held.kind === 'language' ? held.runtime.dispose() : held.service.dispose())).catch(
      () => undefined,
    );
  }

  /** Returns how often the load was tried in vain. */
  #forgetFailure(ref: ShardRef): number {
    const failed = this.#failed.find((other) => sameShard(other.ref, ref));
    failed?.cancelRetry();
    this.#failed = this.#failed.filter((other) => other !== failed);
    return failed?.tries ?? 0;
  }

  #isWanted(ref: ShardRef): boolean {
    return this.#wanted.some((wanted) => sameShard(wanted, ref));
  }
}
