/** The part of an onnxruntime-web build that the runtime uses; the caller imports the build (see load-ort.ts) and passes it in. */
import type { env, InferenceSession, Tensor } from 'onnxruntime-web';
import type { OrtWasmModule } from './ort-wasm-heap.ts';

export interface OrtModule {
  InferenceSession: typeof InferenceSession;
  Tensor: typeof Tensor;
  env: typeof env;
  /** The Emscripten module, once a session was created, where the loader could get hold of it. */
  wasmModule?: () => OrtWasmModule | null;
}

export type OrtSession = InferenceSession;
export type OrtTensor = Tensor;
export type OrtSessionOptions = InferenceSession.SessionOptions;

const tails = new WeakMap<OrtModule, Promise<unknown>>();

/**
 * Runs `work` after everything given before for the same module has ended: one module can neither create nor run two sessions at
 * the same time.
 */
export function exclusively<T>(ort: OrtModule, work: () => Promise<T>): Promise<T> {
  const result = (tails.get(ort) ?? Promise.resolve()).then(work);
  tails.set(
    ort,
    result.catch(() => {}),
  );
  return result;
}
