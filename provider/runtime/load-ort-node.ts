/** ONNX Runtime's wasm build in Node. Its files come from the installed package; nothing is fetched. */
import * as ort from 'onnxruntime-web/wasm';
import type { OrtModule } from './ort-module.ts';

/** `threads` above 1 starts worker threads, once per process: the first call decides. */
export function loadOrtNode({ threads = 1 }: { threads?: number } = {}): OrtModule {
  ort.env.wasm.numThreads ??= threads;
  ort.env.logLevel = 'error';
  return ort;
}
