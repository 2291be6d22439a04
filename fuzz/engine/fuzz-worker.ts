/** The thread in which a target runs: loads it with counters in its modules, runs the inputs, reports. */
import { writeFileSync } from 'node:fs';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { CurrentInput } from './current-input.ts';
import type { FuzzJob, FuzzReport } from './fuzz-job.ts';
import { Fuzzer } from './fuzzer.ts';
import { instrumentModules } from './instrumented-modules.ts';
import type { Finding } from './judge.ts';
import type { FuzzInput, FuzzTarget } from './target.ts';

/** Inputs between two looks at the memory: a tenth of the run. */
const looks = 10;
/** What engine and decoder may keep for themselves after the warm-up: caches that fill up, code that is compiled. */
const maxGrowth = 16 * 1024 * 1024;

const { job, shared } = workerData as { job: FuzzJob; shared: SharedArrayBuffer };
const modules = instrumentModules(job.root);
Error.stackTraceLimit = 0;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const current = new CurrentInput(shared);
for (const url of job.targetUrls) {
  const { target } = (await import(url)) as { target: FuzzTarget };
  parentPort!.postMessage(await fuzz(target));
}

async function fuzz(target: FuzzTarget): Promise<FuzzReport> {
  const fuzzer = new Fuzzer(
    target,
    modules,
    { now: () => performance.now(), cpuMs, externalBytes: () => getHeapStatistics().external_memory, begin },
    job,
  );
  const [startedMs, startedCpuMs] = [performance.now(), cpuMs()];
  const isOver = () => job.seconds !== null && performance.now() - startedMs > job.seconds * 1000;
  const share = Math.ceil(job.inputs / looks);
  const memory: number[] = [];
  const findings = await fuzzer.begin();
  for (let left = job.inputs; left > 0 && !isOver() && !fuzzer.isStopped; ) {
    const count = Math.min(left, share);
    findings.push(...(await fuzzer.run(count, isOver)));
    left -= count;
    memory.push(bytesHeld() - fuzzer.keptBytes);
  }
  findings.push(...growth(memory));
  return {
    target: target.name,
    inputs: fuzzer.inputs,
    ms: performance.now() - startedMs,
    cpuMs: cpuMs() - startedCpuMs,
    blocks: fuzzer.coverage.blocks,
    blocksInAll: modules.used(),
    answers: fuzzer.coverage.answers,
    kept: fuzzer.kept,
    memory,
    findings,
  };
}

function begin(input: FuzzInput): void {
  current.write(input);
  if (job.traceFile !== null) writeFileSync(job.traceFile, input);
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** After a collection. */
function bytesHeld(): number {
  collect();
  const { used_heap_size, external_memory } = getHeapStatistics();
  return used_heap_size + external_memory;
}

/**
 * Held memory must not go on growing. Buffers are given back some time after a collection, so the least of several looks counts:
 * of the first part after the warm-up, and of the last.
 */
function growth(sizes: number[]): Finding[] {
  const part = Math.floor(sizes.length / 3);
  if (part === 0) return [];
  const early = Math.min(...sizes.slice(1, 1 + part));
  const late = Math.min(...sizes.slice(-part));
  if (late - early < maxGrowth) return [];
  const detail = `memory held after each tenth, in MiB: ${sizes.map((size) => (size / 2 ** 20).toFixed(1)).join(', ')}`;
  return [{ kind: 'growth', name: 'keeps memory', detail, input: null }];
}
