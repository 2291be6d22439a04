/** What goes into an ONNX graph and what comes out: all that a service type needs to know of a file to say whether it fits. */
export interface GraphValue {
  name: string;
  /** Element type by ONNX Runtime's name: float32, int64, uint8, … */
  type: string;
  /** null: known only when the graph runs. */
  shape: readonly (number | null)[];
}

export interface GraphSignature {
  inputs: readonly GraphValue[];
  outputs: readonly GraphValue[];
}

/** E.g. `float32 [1, 3, ?, ?]`, for messages. */
export function describeValue({ name, type, shape }: GraphValue): string {
  return `"${name}" ${type} [${shape.map((dim) => dim ?? '?').join(', ')}]`;
}
