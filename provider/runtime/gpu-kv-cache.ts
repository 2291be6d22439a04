/**
 * KV of fixed capacity in GPU buffers. Each buffer is given as past and as present at once, so a step writes its rows in place
 * and nothing is copied; how many rows count is told by the sequence lengths alone, so cutting is a number (design M4).
 */
import { VesselError } from '../../shared/protocol/errors.ts';
import { inputTensors, type KvLayout, kvNames, kvTensorBytes, OrtKvCache, type StepInputs } from './kv-cache.ts';
import type { OrtModule, OrtSession, OrtTensor } from './ort-module.ts';

export class GpuKvCache extends OrtKvCache {
  readonly #ort: OrtModule;
  readonly #buffers: GPUBuffer[] = [];
  readonly #past: Record<string, OrtTensor> = {};
  readonly #present: Record<string, OrtTensor> = {};
  /** WebGPU tells later whether an allocation succeeded. */
  readonly #allocation: Promise<GPUError | null>;
  readonly #onRelease: () => void;

  constructor(ort: OrtModule, device: GPUDevice, layout: KvLayout, capacity: number, onRelease: () => void) {
    super(layout, capacity);
    this.#ort = ort;
    this.#onRelease = onRelease;
    const size = kvTensorBytes(layout, capacity);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const view = { dataType: layout.type, dims: [1, layout.kvHeads, capacity, layout.paddedHeadDim] };
    device.pushErrorScope('out-of-memory');
    for (const name of kvNames(layout)) {
      const buffer = device.createBuffer({ size, usage });
      this.#buffers.push(buffer);
      const tensor = ort.Tensor.fromGpuBuffer(buffer, view);
      this.#past[`past.${name}`] = tensor;
      this.#present[`present.${name}`] = tensor;
    }
    this.#allocation = device.popErrorScope().catch(() => null);
  }

  protected async onRun(session: OrtSession, inputs: StepInputs, output: string): Promise<Float32Array> {
    const error = await this.#allocation;
    if (error !== null)
      throw new VesselError('out_of_memory', 'The graphics device has no memory for the KV cache.', { cause: error });
    const feeds = { ...inputTensors(this.#ort, inputs), ...this.#past };
    const results = await session.run(feeds, { [output]: null, ...this.#present });
    return results[output]!.data as Float32Array;
  }

  protected onAppend(): void {}

  protected onTruncate(): void {}

  protected onRelease(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.length = 0;
    this.#onRelease();
  }
}
