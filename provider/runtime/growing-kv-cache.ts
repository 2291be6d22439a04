/**
 * KV outside the runtime, for the wasm build of a browser: each step hands in what there is and takes out one that is longer, so
 * copying grows with what is used, not with the capacity.
 */
import { inputTensors, type KvLayout, kvNames, OrtKvCache, type StepInputs } from './kv-cache.ts';
import type { OrtModule, OrtSession, OrtTensor } from './ort-module.ts';

export class GrowingKvCache extends OrtKvCache {
  readonly #ort: OrtModule;
  readonly #layout: KvLayout;
  #past: Record<string, OrtTensor> = {};
  /** Of the last run, until it counts. */
  #next: Record<string, OrtTensor> = {};
  readonly #onRelease: () => void;

  constructor(ort: OrtModule, layout: KvLayout, capacity: number, onRelease: () => void) {
    super(layout, capacity);
    this.#ort = ort;
    this.#layout = layout;
    this.#onRelease = onRelease;
    this.onTruncate(0);
  }

  protected async onRun(session: OrtSession, inputs: StepInputs, output: string): Promise<Float32Array> {
    const names = kvNames(this.#layout);
    const fetches = [output, ...names.map((name) => `present.${name}`)];
    const results = await session.run({ ...inputTensors(this.#ort, inputs), ...this.#past }, fetches);
    this.#next = Object.fromEntries(names.map((name) => [`past.${name}`, results[`present.${name}`]!]));
    return results[output]!.data as Float32Array;
  }

  protected onAppend(): void {
    this.#past = this.#next;
  }

  protected onTruncate(length: number): void {
    const { kvHeads, paddedHeadDim, type } = this.#layout;
    const dims = [1, kvHeads, length, paddedHeadDim];
    for (const name of kvNames(this.#layout)) {
      const old = this.#past[`past.${name}`];
      const cut =
        type === 'float32'
          ? new Float32Array(kvHeads * length * paddedHeadDim)
          : new Uint16Array(kvHeads * length * paddedHeadDim);
      if (old) {
        const source = old.data as Float32Array | Uint16Array;
        const bits = type === 'float32' ? source : new Uint16Array(source.buffer, source.byteOffset, source.length);
        const oldRow = bits.length / kvHeads;
        const row = length * paddedHeadDim;
        for (let head = 0; head < kvHeads; head++) cut.set(bits.subarray(head * oldRow, head * oldRow + row), head * row);
      }
      this.#past[`past.${name}`] = new this.#ort.Tensor(type, cut, dims);
    }
  }

  protected onRelease(): void {
    this.#past = {};
    this.#next = {};
    this.#onRelease();
  }
}
