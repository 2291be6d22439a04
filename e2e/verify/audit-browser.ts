/** An auditor in headless Chromium: the real runtime on real WebGPU in a worker, asked from Node to run shards again. */
import type { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { BrowserHarness } from '../webgpu/browser-harness.ts';
import type { AuditRequest, LoadReply, LoadRequest, RerunReply } from './audit-worker.ts';

/** A shard of a large model on SwiftShader. */
const patienceMs = 600_000;

export class AuditBrowser {
  readonly #harness: BrowserHarness;

  private constructor(harness: BrowserHarness) {
    this.#harness = harness;
  }

  static async start(blobs: MemoryBlobs): Promise<AuditBrowser> {
    return new AuditBrowser(await BrowserHarness.start(blobs, 'e2e/verify/audit-worker.ts'));
  }

  load(request: Omit<LoadRequest, 'kind'>): Promise<LoadReply> {
    return this.#ask<LoadReply>({ kind: 'load', ...request });
  }

  /**
   * Rows [sum of steps, hidden] of the loaded shard, or logits [steps, vocab] of the last one.
   * @param input ids for the first shard, row-major rows for others
   */
  async rerun(input: Int32Array | Float32Array, steps: number[]): Promise<Float32Array> {
    const text = Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('base64');
    const reply = await this.#ask<RerunReply>({ kind: 'rerun', input: text, steps });
    const bytes = Uint8Array.from(Buffer.from(reply, 'base64'));
    return new Float32Array(bytes.buffer);
  }

  async #ask<T>(request: AuditRequest): Promise<T> {
    const answer = await this.#harness.ask<T>(request, patienceMs);
    if ('error' in answer) throw new Error(answer.error.message);
    return answer.ok;
  }

  close(): Promise<void> {
    return this.#harness.close();
  }
}
