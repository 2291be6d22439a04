/**
 * Picks the ONNX Runtime build for a browser worker: the native WebGPU builds or plain wasm, never the default import, whose
 * deprecated kernels hang when the device is lost (design C1).
 */
import type { OrtModule } from './ort-module.ts';
import type { Backend } from './shard-runtime.ts';

export type OrtBuild = 'jspi' | 'webgpu' | 'wasm';

export interface OrtFiles {
  /** Folder that the runtime's .mjs and .wasm files are served from, ending in '/'. */
  wasmPaths?: string | { mjs?: string; wasm?: string };
  wasmBinary?: ArrayBuffer;
  /** Threads of the wasm backend; more than 1 needs a cross-origin isolated page. */
  threads?: number;
  /** Instead of the one `chooseOrtBuild` picks: tests run those that other browsers need. */
  build?: OrtBuild;
}

/** JSPI is half as slow per step and a third smaller; Safari and older browsers do without. */
export function chooseOrtBuild(backend: Backend): OrtBuild {
  if (backend === 'wasm') return 'wasm';
  return 'Suspending' in WebAssembly && 'promising' in WebAssembly ? 'jspi' : 'webgpu';
}

export async function loadOrt(backend: Backend, files: OrtFiles = {}): Promise<OrtModule> {
  const ort = await importBuild(files.build ?? chooseOrtBuild(backend));
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = files.threads ?? 1;
  if (files.wasmPaths !== undefined) ort.env.wasm.wasmPaths = files.wasmPaths;
  if (files.wasmBinary !== undefined) ort.env.wasm.wasmBinary = files.wasmBinary;
  return ort;
}

/** Literal imports, so that a bundler puts each build into its own chunk. */
function importBuild(build: OrtBuild): Promise<OrtModule> {
  if (build === 'jspi') return import('onnxruntime-web/jspi');
  if (build === 'webgpu') return import('onnxruntime-web/webgpu');
  return import('onnxruntime-web/wasm');
}
