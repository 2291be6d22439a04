/** Counters in every module of the repository that is loaded from now on, and in the packages that decode for it. */
import { registerHooks } from 'node:module';
import { countersName, instrument, type Literals } from './instrument.ts';

/** More blocks than any target loads. */
const maxCounters = 1 << 16;
/** Decoders that are somebody else's, but whose input is a stranger's all the same. */
const packages = ['multiformats', '@multiformats/multiaddr', '@x402/core', 'viem/_esm/utils/siwe'];

export interface InstrumentedModules {
  counters: Uint8Array<ArrayBuffer>;
  /** How many counters are in use. */
  used(): number;
  words(): string[];
  numbers(): number[];
}

/** `root`: URL of the repository, with a slash at its end. */
export function instrumentModules(root: string): InstrumentedModules {
  const counters = new Uint8Array(maxCounters);
  Object.assign(globalThis, { [countersName]: counters });
  const literals: Literals = { words: new Set(), numbers: new Set() };
  let used = 0;
  const nextCounter = () => Math.min(used++, maxCounters - 1);
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const isTypes = loaded.format === 'module-typescript';
      if (!loaded.source || (!isTypes && loaded.format !== 'module') || !isOfInterest(url, root)) return loaded;
      const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
      return { ...loaded, source: instrument(source, isTypes ? 'ts' : 'js', nextCounter, literals) };
    },
  });
  return {
    counters,
    used: () => Math.min(used, maxCounters),
    // Modules load in no fixed order; what is drawn from these lists must not depend on it.
    words: () => [...literals.words].sort(),
    numbers: () => [...literals.numbers].sort((a, b) => a - b),
  };
}

function isOfInterest(url: string, root: string): boolean {
  if (!url.startsWith(root)) return false;
  const path = url.slice(root.length);
  if (path.startsWith('node_modules/')) return packages.some((name) => path.startsWith(`node_modules/${name}/`));
  if (path.startsWith('fuzz/engine/')) return path.startsWith('fuzz/engine/testing/');
  return !path.startsWith('testing/') && !path.startsWith('fuzz/samples/');
}
