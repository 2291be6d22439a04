/** A `Ledger` whose process dies at its n-th write, just before it or just after; from then on nothing of that process reaches it. */
import type { Ledger } from '../relay/ledger/ledger.ts';

export interface CrashPlan {
  /** Counts from 1; Infinity never comes. */
  atWrite: number;
  when: 'before' | 'after';
}

export interface CrashingLedger {
  ledger: Ledger;
  /** Rejects when the process dies. */
  crashed: Promise<never>;
  writes(): number;
  /** Ends the process where it is. */
  kill(): void;
}

const writing = new Set<string>(['append', 'write', 'plan', 'update']);

export class Crash extends Error {}

export function crashingLedger(inner: Ledger, { atWrite, when }: CrashPlan): CrashingLedger {
  const crash = new Crash('the process was killed');
  let die: (error: Crash) => void;
  const crashed = new Promise<never>((_, reject) => {
    die = reject;
  });
  crashed.catch(() => undefined);
  let writes = 0;
  let isDead = false;
  const kill = () => {
    isDead = true;
    die(crash);
  };
  // What a dead process waits for never comes.
  const never = new Promise<never>(() => undefined);
  const ledger = new Proxy(inner, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return async (...parameters: unknown[]) => {
        if (isDead) return never;
        if (!writing.has(String(name))) return method.apply(target, parameters);
        writes += 1;
        if (writes === atWrite && when === 'before') kill();
        if (isDead) return never;
        const result = await method.apply(target, parameters);
        if (writes === atWrite && when === 'after') kill();
        return isDead ? never : result;
      };
    },
  });
  return { ledger, crashed, writes: () => writes, kill };
}
