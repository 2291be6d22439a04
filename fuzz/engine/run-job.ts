/** Runs one target in a thread of its own, and ends that thread when an input never does. */
import { Worker } from 'node:worker_threads';
import { CurrentInput } from './current-input.ts';
import { type FuzzJob, type FuzzReport, lostReport } from './fuzz-job.ts';
import type { Finding } from './judge.ts';

const lookEveryMs = 500;
/** Far more than any decoder needs; a thread that wants more is ended by V8. */
const maxHeapMiB = 1024;
const maxInputBytes = 4 * 1024 * 1024;

/** A thread that ended by itself, or never would, is told in the findings. */
export function runJob(job: FuzzJob): Promise<FuzzReport[]> {
  const shared = new SharedArrayBuffer(CurrentInput.bytesFor(maxInputBytes));
  const current = new CurrentInput(shared);
  const worker = new Worker(new URL('./fuzz-worker.ts', import.meta.url), {
    workerData: { job, shared },
    // A stack as small as that of a page or of Node's own thread.
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB, stackSizeMb: 1 },
    execArgv: ['--no-warnings'],
    // What libraries write about odd inputs is no news.
    stdout: true,
    stderr: true,
  });
  worker.stdout.resume();
  worker.stderr.resume();
  const reports: FuzzReport[] = [];
  const lost = (finding: Omit<Finding, 'input'>): FuzzReport[] => {
    const url = job.targetUrls[reports.length] ?? '';
    return [...reports, lostReport(url, current.number, { ...finding, input: current.read() })];
  };
  return new Promise((resolve, reject) => {
    const stop = watch(worker, current, job.hangMs, () => {
      resolve(lost({ kind: 'hang', name: 'never ends', detail: `more than ${job.hangMs} ms of processor time` }));
      void worker.terminate();
    });
    worker.on('message', (report: FuzzReport) => {
      if (reports.push(report) === job.targetUrls.length) resolve(reports);
    });
    worker.once('error', (error: Error & { code?: string }) => {
      if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') return reject(error);
      resolve(lost({ kind: 'memory', name: 'fills the heap', detail: `more than ${maxHeapMiB} MiB of heap` }));
    });
    worker.once('exit', (code) => {
      stop();
      // After a report this changes nothing.
      reject(new Error(`The thread of ${job.targetUrls.join(', ')} ended with code ${code} and no report.`));
    });
  });
}

/** Calls `onHang` when the thread is busy with one input for too long. Returns what ends the watch. */
function watch(worker: Worker, current: CurrentInput, hangMs: number, onHang: () => void): () => void {
  let number = -1;
  let cpuMs = 0;
  const look = async () => {
    const { user, system } = await worker.cpuUsage();
    const used = (user + system) / 1000;
    if (current.number === number && number > 0) {
      if (used - cpuMs > hangMs) onHang();
      return;
    }
    number = current.number;
    cpuMs = used;
  };
  const timer = setInterval(() => void look().catch(() => undefined), lookEveryMs);
  return () => clearInterval(timer);
}
