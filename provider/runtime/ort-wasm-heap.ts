/**
 * ONNX Runtime's memory and C interface, which its JavaScript wrapper hides. The wrapper copies every input into that memory and
 * every output out of it at each run; a KV cache that lives inside is copied neither way. The wrapper lets its Emscripten module
 * be replaced (`env.wasm.wasmPaths.mjs`): a module of two lines loads the real one and keeps a reference.
 *
 * Bound to the installed version of onnxruntime-web: `captureOrtHeap` says so if an export is missing, and whoever has no heap
 * falls back to the wrapper (growing-kv-cache.ts).
 */
import type { OrtSession } from './ort-module.ts';

/** Exports of the module that are used here; pointers are byte offsets, handles are opaque numbers, status 0 is success. */
export interface OrtWasmModule {
  HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  stackSave(): number;
  stackRestore(stack: number): void;
  stackAlloc(bytes: number): number;
  setValue(pointer: number, value: number, type: 'i32' | '*'): void;
  getValue(pointer: number, type: 'i32' | '*'): number;
  lengthBytesUTF8(text: string): number;
  stringToUTF8(text: string, pointer: number, maxBytes: number): void;
  UTF8ToString(pointer: number): string;
  _OrtCreateTensor(type: number, data: number, bytes: number, dims: number, rank: number, location: number): number;
  _OrtGetTensorData(tensor: number, type: number, data: number, dims: number, rank: number): number;
  _OrtReleaseTensor(tensor: number): number;
  _OrtFree(pointer: number): number;
  _OrtGetLastError(code: number, message: number): number;
  _OrtRun(
    session: number,
    inputNames: number,
    inputs: number,
    inputCount: number,
    outputNames: number,
    outputCount: number,
    outputs: number,
    options: number,
  ): number | Promise<number>;
}

const needed = ['_malloc', '_OrtCreateTensor', '_OrtRun', '_OrtGetTensorData', 'stackAlloc', 'stringToUTF8', 'HEAPU8'] as const;
const place = Symbol.for('vessel.ort-wasm-module');

/** Source of a module to load instead of `moduleUrl` (absolute), after which `capturedModule` answers. */
export function capturingSource(moduleUrl: string): string {
  return `import create from ${JSON.stringify(moduleUrl)};
export default async (config) => (globalThis[Symbol.for('vessel.ort-wasm-module')] = await create(config));`;
}

/** Null until the first session was created, and where the module is not what is expected. */
export function capturedModule(): OrtWasmModule | null {
  const module = (globalThis as { [place]?: OrtWasmModule })[place];
  return module && needed.every((name) => name in module) ? module : null;
}

const locationCpu = 1;
/** ONNX element types. */
export const heapTypes = { float32: 1, int32: 6, int64: 7, float16: 10 } as const;

export interface HeapTensor {
  handle: number;
  /** Set if the memory is this tensor's own. */
  pointer: number | null;
}

export class OrtWasmHeap {
  readonly #module: OrtWasmModule;
  readonly #names = new Map<string, number>();

  constructor(module: OrtWasmModule) {
    this.#module = module;
  }

  /** Zeroed memory, to be given back with `free`; null if there is none. */
  allocate(bytes: number): number | null {
    const pointer = this.#module._malloc(bytes);
    if (pointer === 0) return null;
    this.#module.HEAPU8.fill(0, pointer, pointer + bytes);
    return pointer;
  }

  free(pointer: number): void {
    this.#module._free(pointer);
  }

  /** A tensor over memory that stays the caller's. */
  tensorAt(type: keyof typeof heapTypes, pointer: number, bytes: number, dims: readonly number[]): number {
    const module = this.#module;
    const stack = module.stackSave();
    try {
      const list = module.stackAlloc(4 * dims.length);
      dims.forEach((size, i) => void module.setValue(list + 4 * i, size, 'i32'));
      const handle = module._OrtCreateTensor(heapTypes[type], pointer, bytes, list, dims.length, locationCpu);
      if (handle === 0) throw this.#lastError();
      return handle;
    } finally {
      module.stackRestore(stack);
    }
  }

  releaseTensor(handle: number): void {
    this.#module._OrtReleaseTensor(handle);
  }

  /**
   * One run of `session`. `inputs` are copied in; `held` are tensors that stay where they are, under input and output names.
   * Returns the f32 output `output`, copied out.
   */
  async run(
    session: OrtSession,
    inputs: Record<string, { type: keyof typeof heapTypes; data: ArrayBufferView; dims: readonly number[] }>,
    held: { inputs: Record<string, number>; outputs: Record<string, number> },
    output: string,
  ): Promise<Float32Array> {
    const module = this.#module;
    const pointers: number[] = [];
    const handles: number[] = [];
    const take = (bytes: number): number => {
      const pointer = module._malloc(Math.max(bytes, 4));
      if (pointer === 0) throw new RangeError('ONNX Runtime has no memory left.');
      pointers.push(pointer);
      return pointer;
    };
    const list = (values: number[]): number => {
      const pointer = take(4 * values.length);
      values.forEach((value, i) => void module.setValue(pointer + 4 * i, value, '*'));
      return pointer;
    };
    try {
      const given: Record<string, number> = { ...held.inputs };
      for (const [name, { type, data, dims }] of Object.entries(inputs)) {
        const pointer = take(data.byteLength);
        module.HEAPU8.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), pointer);
        given[name] = this.tensorAt(type, pointer, data.byteLength, dims);
        handles.push(given[name]);
      }
      const wanted = { [output]: 0, ...held.outputs };
      const names = (record: Record<string, number>): number => list(Object.keys(record).map((name) => this.#name(name)));
      const outputs = list(Object.values(wanted));
      const status = await module._OrtRun(
        sessionHandle(session),
        names(given),
        list(Object.values(given)),
        Object.keys(given).length,
        names(wanted),
        Object.keys(wanted).length,
        outputs,
        0,
      );
      if (status !== 0) throw this.#lastError();
      const result = module.getValue(outputs, '*');
      handles.push(result);
      return this.#copyOut(result);
    } finally {
      for (const handle of handles) module._OrtReleaseTensor(handle);
      for (const pointer of pointers) module._free(pointer);
    }
  }

  #copyOut(tensor: number): Float32Array {
    const module = this.#module;
    const stack = module.stackSave();
    try {
      const out = module.stackAlloc(16);
      if (module._OrtGetTensorData(tensor, out, out + 4, out + 8, out + 12) !== 0) throw this.#lastError();
      const data = module.getValue(out + 4, '*');
      const dims = module.getValue(out + 8, '*');
      const rank = module.getValue(out + 12, 'i32');
      let count = 1;
      for (let i = 0; i < rank; i++) count *= module.getValue(dims + 4 * i, 'i32');
      module._OrtFree(dims);
      const values = new Float32Array(count);
      new Uint8Array(values.buffer).set(module.HEAPU8.subarray(data, data + 4 * count));
      return values;
    } finally {
      module.stackRestore(stack);
    }
  }

  /** Names are few and the same for every run of a shard: they stay. */
  #name(text: string): number {
    let pointer = this.#names.get(text);
    if (pointer === undefined) {
      const bytes = this.#module.lengthBytesUTF8(text) + 1;
      pointer = this.#module._malloc(bytes);
      this.#module.stringToUTF8(text, pointer, bytes);
      this.#names.set(text, pointer);
    }
    return pointer;
  }

  #lastError(): Error {
    const module = this.#module;
    const stack = module.stackSave();
    try {
      const out = module.stackAlloc(8);
      module._OrtGetLastError(out, out + 4);
      const message = module.getValue(out + 4, '*');
      return new Error(message === 0 ? 'unknown error of ONNX Runtime' : module.UTF8ToString(message));
    } finally {
      module.stackRestore(stack);
    }
  }
}

/** The wrapper's session is a thin shell around this number. */
function sessionHandle(session: OrtSession): number {
  const { handler } = session as unknown as { handler: { sessionId: number } };
  return handler.sessionId;
}
