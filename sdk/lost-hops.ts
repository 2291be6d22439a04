/** The hops that a session has lost and not yet replaced, and those it will not be given again. */
import { type ErrorCode, VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { OrderPool } from './order-pool.ts';

interface Loss {
  error: VesselError;
  /** Nothing else is wrong with it: it may be heard again. */
  isSilent: boolean;
  /** How long it had been silent when it was called lost. */
  silentMs: number;
}

/** What hops say to each other is no word for a person. */
const internalCodes = new Set<ErrorCode>([
  'unknown_session',
  'wrong_epoch',
  'wrong_position',
  'wrong_history',
  'wrong_peer',
  'no_lease',
]);

export class LostHops {
  readonly #pool: Pick<OrderPool, 'pulse'>;
  readonly #losses = new Map<string, Loss>();
  /** Peers that were lost before. */
  readonly #avoided = new Set<string>();

  constructor(pool: Pick<OrderPool, 'pulse'>) {
    this.#pool = pool;
  }

  get size(): number {
    return this.#losses.size;
  }

  get peers(): string[] {
    return [...this.#losses.keys()];
  }

  has(peer: string): boolean {
    return this.#losses.has(peer);
  }

  /** False if that was known. */
  add(peer: string, error: VesselError, isSilent: boolean): boolean {
    const known = this.#losses.get(peer);
    if (known && (isSilent || !known.isSilent)) return false;
    this.#losses.set(peer, { error, isSilent, silentMs: this.#pool.pulse(peer).silentMs });
    return true;
  }

  /** They are replaced, or back. */
  clear(): void {
    this.#losses.clear();
  }

  /** All of them have only been silent, and are heard again. */
  get areBack(): boolean {
    return [...this.#losses].every(([peer, { isSilent }]) => isSilent && this.#pool.pulse(peer).silentMs < limits.silentMs);
  }

  /** Whom the relay shall not name: those that are lost now, and those that were for more than silence. */
  avoid(): string[] {
    for (const [peer, { isSilent }] of this.#losses) if (!isSilent) this.#avoided.add(peer);
    return [...new Set([...this.#avoided, ...this.#losses.keys()])];
  }

  get silentMs(): number {
    return Math.max(0, ...[...this.#losses.values()].map(({ silentMs }) => silentMs));
  }

  /** Why the first of them was lost. */
  get error(): VesselError {
    return [...this.#losses.values()][0]!.error;
  }

  /** Nobody could take their place, and this is why. */
  errorWithoutOthers(why: VesselError): VesselError {
    const { error } = this;
    const code = internalCodes.has(error.code) ? 'provider_lost' : error.code;
    return new VesselError(code, `${error.message} No other provider could take its place: ${why.message}`, { cause: error });
  }
}
