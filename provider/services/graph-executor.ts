import type { GraphSignature } from '../../shared/services/graph-signature.ts';
import type { Backend } from '../runtime/shard-runtime.ts';

/** A tensor of one of the element types that services use; row-major. */
export type GraphTensor =
  | { type: 'float32'; dims: readonly number[]; data: Float32Array }
  | { type: 'uint8'; dims: readonly number[]; data: Uint8Array }
  | { type: 'int64'; dims: readonly number[]; data: BigInt64Array };

/** A loaded graph, as service types see it. */
export interface GraphExecutor {
  readonly backend: Backend;
  readonly signature: GraphSignature;
  /** Computes the float32 outputs named in `outputs`. Throws `bad_output` when one is missing, not float32, or not finite. */
  run(feeds: Record<string, GraphTensor>, outputs: readonly string[]): Promise<Record<string, Float32Array>>;
  dispose(): Promise<void>;
}
