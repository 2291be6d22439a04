/** What goes to the thread of a target and what comes back. */
import type { Finding } from './judge.ts';

export interface FuzzJob {
  /** URL of the repository, with a slash at its end. */
  root: string;
  /** Modules that export `target`, worked off one after the other. */
  targetUrls: string[];
  /** Per target. */
  inputs: number;
  /** Stop after this long even when there are inputs left; null: never. */
  seconds: number | null;
  seed: number;
  /** False: only the seeds are changed, nothing is learnt. For comparison. */
  isGuided: boolean;
  /** Begin from next to nothing instead of the target's seeds. For comparison. */
  isBare: boolean;
  /** An input that takes this much of the thread's processor time, in milliseconds, does not come back. */
  hangMs: number;
  /** Where each input is written before it is tried; null: nowhere. */
  traceFile: string | null;
}

export interface FuzzReport {
  target: string;
  inputs: number;
  ms: number;
  /** Of that, processor time of the thread. */
  cpuMs: number;
  /** Blocks that ran, of all blocks in the modules that the target loads. */
  blocks: number;
  blocksInAll: number;
  /** Kinds of answers. */
  answers: number;
  /** Inputs kept because they did something new. */
  kept: number;
  /** Bytes held after each tenth of the run. */
  memory: number[];
  findings: Finding[];
}

/** Of a target that ended with the thread or process it ran in. */
export function lostReport(target: string, inputs: number, finding: Finding): FuzzReport {
  return { target, inputs, ms: 0, cpuMs: 0, blocks: 0, blocksInAll: 0, answers: 0, kept: 0, memory: [], findings: [finding] };
}
