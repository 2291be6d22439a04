import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { GraphSignature, GraphValue } from '../../shared/services/graph-signature.ts';
import { exclusively, type OrtModule } from '../runtime/ort-module.ts';
import type { Backend } from '../runtime/shard-runtime.ts';
import type { GraphExecutor, GraphTensor } from './graph-executor.ts';

/** Loads an ONNX file on one backend. On WebGPU every operator must have a GPU kernel, or this throws. */
export async function openOrtGraph(ort: OrtModule, bytes: Uint8Array, backend: Backend): Promise<GraphExecutor> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: [backend],
    // Errors are thrown; printed as well, they would look like a failure where the next backend simply takes over.
    logSeverityLevel: 4,
    ...(backend === 'webgpu' && { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
  };
  const session = await exclusively(ort, () => ort.InferenceSession.create(bytes, options));
  return {
    backend,
    signature: signatureOf(session),
    run: async (feeds, outputs) => {
      const tensors = Object.entries(feeds).map(([name, tensor]) => [name, toOrt(ort, tensor)] as const);
      const results = await exclusively(ort, () => session.run(Object.fromEntries(tensors), outputs));
      return Object.fromEntries(outputs.map((name) => [name, requireFloats(name, results[name])]));
    },
    dispose: () => exclusively(ort, () => session.release()),
  };
}

function toOrt(ort: OrtModule, { type, dims, data }: GraphTensor): Tensor {
  switch (type) {
    case 'float32':
      return new ort.Tensor(type, data, dims);
    case 'uint8':
      return new ort.Tensor(type, data, dims);
    case 'int64':
      return new ort.Tensor(type, data, dims);
    default:
      return type satisfies never;
  }
}

function requireFloats(name: string, tensor: Tensor | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new VesselError('bad_output', `Output "${name}" is not float32.`);
  if (!tensor.data.every(Number.isFinite)) throw new VesselError('bad_output', `Output "${name}" holds NaN or infinity.`);
  return tensor.data;
}

function signatureOf(session: InferenceSession): GraphSignature {
  return { inputs: session.inputMetadata.map(toValue), outputs: session.outputMetadata.map(toValue) };
}

function toValue(value: InferenceSession.ValueMetadata): GraphValue {
  if (!value.isTensor) return { name: value.name, type: 'no tensor', shape: [] };
  // Open dimensions come as their name, or as −1 read as unsigned when they have none.
  const shape = value.shape.map((dim) => (typeof dim === 'number' && dim < 0x8000_0000 && dim >= 0 ? dim : null));
  return { name: value.name, type: value.type, shape };
}
