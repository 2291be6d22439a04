/**
 * Every place at which a process can be killed, as the ledger and the chain are left there: before each write and after it. What only the
 * process knows is gone. The walk lives through one life and keeps these places; then each is gone on from, the last one first, because
 * the node forgets later snapshots when it goes back to one.
 */
import type { Ledger } from '../relay/ledger/ledger.ts';
import { MemoryLedger } from './memory-ledger.ts';
import type { MoneyWorld } from './money-world.ts';

export interface CrashPoint<Progress> {
  name: string;
  ledger: MemoryLedger;
  /** How far the life was. */
  progress: Progress;
  snapshot: string;
  block: string;
}

const writing = new Set<string>(['append', 'write', 'plan', 'update']);

export class CrashPoints<Progress> {
  /** The ledger to live on. */
  readonly ledger: Ledger;
  readonly #world: MoneyWorld;
  readonly #inner: MemoryLedger;
  readonly #progress: () => Progress;
  readonly #points: CrashPoint<Progress>[] = [];
  #turn: Promise<unknown> = Promise.resolve();
  #writes = 0;
  #isOver = false;

  constructor(world: MoneyWorld, progress: () => Progress, inner = new MemoryLedger()) {
    this.#world = world;
    this.#inner = inner;
    this.#progress = progress;
    this.ledger = new Proxy<Ledger>(this.#inner, {
      get: (target, name) => {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        if (!writing.has(String(name))) return method.bind(target);
        return (...parameters: unknown[]) => this.#write(() => method.apply(target, parameters), String(name));
      },
    });
  }

  get writes(): number {
    return this.#writes;
  }

  /** One write after the other: nothing is sent, because of a write, that a kept place does not know of. */
  #write<T>(act: () => Promise<T>, what: string): Promise<T> {
    const done = this.#turn.then(async () => {
      if (this.#isOver) return act();
      this.#writes += 1;
      const name = `write ${this.#writes} (${what})`;
      await this.#keep(`before ${name}`);
      const result = await act();
      await this.#keep(`after ${name}`);
      return result;
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #keep(name: string): Promise<void> {
    const { rpc } = this.#world.network;
    const snapshot = await rpc<string>('evm_snapshot');
    const block = await rpc<string>('eth_blockNumber');
    this.#points.push({ name, snapshot, block, ledger: this.#inner.copy(), progress: this.#progress() });
  }

  /**
   * Goes back to each place, the last one first. Where nothing was sent between a write and the next one, the place after the first and
   * the one before the second are the same: `all` takes both nevertheless.
   */
  async walk(all: boolean, goOn: (point: CrashPoint<Progress>) => Promise<void>): Promise<number> {
    this.#isOver = true;
    let walked = 0;
    for (const [index, point] of [...this.#points.entries()].reverse()) {
      const next = this.#points[index + 1];
      if (!all && point.name.startsWith('after') && next?.block === point.block) continue;
      await this.#world.network.rpc('evm_revert', [point.snapshot]);
      try {
        await goOn(point);
      } catch (cause) {
        throw new Error(`killed ${point.name} of ${this.#writes}`, { cause });
      }
      walked += 1;
    }
    return walked;
  }
}
