/**
 * ONNX Runtime's wasm build in Node: there the plain import is not the browser's (design C1) but a build for Node, the only one
 * whose threads work outside a browser. Its files come from the installed package; nothing is fetched.
 */
import { env, InferenceSession, Tensor } from 'onnxruntime-web';
import type { OrtModule } from './ort-module.ts';
import { capturedModule, capturingSource } from './ort-wasm-heap.ts';

let loaded: OrtModule | null = null;

/** `threads` above 1 starts worker threads, once per process: the first call decides. */
export function loadOrtNode({ threads = 1 }: { threads?: number } = {}): OrtModule {
  if (loaded !== null) return loaded;
  env.wasm.numThreads = threads;
  env.logLevel = 'error';
  const moduleUrl = import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.mjs');
  env.wasm.wasmPaths = {
    mjs: `data:text/javascript,${encodeURIComponent(capturingSource(moduleUrl))}`,
    wasm: import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'),
  };
  loaded = { env, InferenceSession, Tensor, wasmModule: capturedModule };
  return loaded;
}
