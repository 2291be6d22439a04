/** KV of fixed capacity inside ONNX Runtime's own memory: past and present are the same tensors, and nothing is copied. */
import { VesselError } from '../../shared/protocol/errors.ts';
import { type KvLayout, kvNames, kvTensorBytes, OrtKvCache, type StepInputs } from './kv-cache.ts';
import type { OrtSession } from './ort-module.ts';
import type { OrtWasmHeap } from './ort-wasm-heap.ts';

export class HeapKvCache extends OrtKvCache {
  /** Handles by graph input and output name. */
  readonly #held: { inputs: Record<string, number>; outputs: Record<string, number> } = { inputs: {}, outputs: {} };
  readonly #heap: OrtWasmHeap;
  readonly #pointer: number;
  readonly #onRelease: () => void;

  constructor(heap: OrtWasmHeap, layout: KvLayout, capacity: number, onRelease: () => void) {
    super(layout, capacity);
    this.#heap = heap;
    this.#onRelease = onRelease;
    const pointer = heap.allocate(this.bytes);
    if (pointer === null) {
      throw new VesselError('out_of_memory', `There is no memory for a KV cache of ${Math.ceil(this.bytes / 2 ** 20)} MiB.`);
    }
    this.#pointer = pointer;
    const size = kvTensorBytes(layout, capacity);
    const dims = [1, layout.kvHeads, capacity, layout.paddedHeadDim];
    for (const [i, name] of kvNames(layout).entries()) {
      const handle = heap.tensorAt(layout.type, pointer + i * size, size, dims);
      this.#held.inputs[`past.${name}`] = handle;
      this.#held.outputs[`present.${name}`] = handle;
    }
  }

  protected onRun(session: OrtSession, inputs: StepInputs, output: string): Promise<Float32Array> {
    return this.#heap.run(session, inputs, this.#held, output);
  }

  protected onAppend(): void {}

  protected onTruncate(): void {}

  protected onRelease(): void {
    for (const handle of Object.values(this.#held.inputs)) this.#heap.releaseTensor(handle);
    this.#heap.free(this.#pointer);
    this.#onRelease();
  }
}
