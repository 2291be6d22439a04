import { setTimeout } from 'node:timers/promises';

const patienceMs = 120_000;

/** Looks until it is true. Gives up after two minutes, for a test that says what it waited for ends better than one that hangs. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await setTimeout(50);
  }
}
