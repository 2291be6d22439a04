/**
 * Reads as much of an ONNX file as it takes to say whether it is one and what goes in and out; weights are skipped, not copied.
 * Field numbers are those of onnx.proto3.
 */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { GraphSignature, GraphValue } from '../../shared/services/graph-signature.ts';
import { ProtobufError, ProtoFields } from './read-protobuf.ts';

export interface OnnxFile extends GraphSignature {
  /** Version of the standard operator set. */
  opset: number;
  nodes: number;
}

/** TensorProto.DataType by number, with ONNX Runtime's names. */
const elementTypes: Record<number, string> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
};
/** Operator domains that ONNX Runtime Web knows. */
const knownDomains = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft', 'com.microsoft.nchwc', 'com.ms.internal.nhwc']);
const externalLocation = 1n;

/** Throws `bad_checkpoint` with the reason when the bytes are no complete ONNX model that can run from this one file. */
export function readOnnxFile(bytes: Uint8Array): OnnxFile {
  try {
    return readModel(new ProtoFields(bytes));
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw new VesselError('bad_checkpoint', `This is no complete ONNX file: ${error.message}.`, { cause: error });
  }
}

function readModel(model: ProtoFields): OnnxFile {
  const [graph, ...others] = model.messages(7);
  if (model.int(1) === null || !graph || others.length > 0)
    refuse('This is no ONNX file: it has no IR version or not one graph.');
  const standard = model.messages(8).find((opset) => ['', 'ai.onnx'].includes(opset.string(1)));
  const opset = Number(standard?.int(2) ?? 0n);
  if (opset < 1) refuse('The ONNX file does not say which operator set it uses.');

  const nodes = graph.messages(1);
  if (nodes.length === 0) refuse('The ONNX graph has no nodes.');
  const foreign = nodes.find((node) => !knownDomains.has(node.string(7)));
  if (foreign) refuse(`Operator ${foreign.string(4)} is of the domain "${foreign.string(7)}", which no provider has.`);

  const initializers = graph.messages(5);
  const external = initializers.find((tensor) => tensor.int(14) === externalLocation);
  if (external)
    refuse(`Weight "${external.string(8)}" lies in another file; save the model as one file with its weights inside.`);
  // Files of IR 3 and before list their weights among the inputs.
  const weights = new Set(initializers.map((tensor) => tensor.string(8)));
  const inputs = graph
    .messages(11)
    .map(readValue)
    .filter(({ name }) => !weights.has(name));
  const outputs = graph.messages(12).map(readValue);
  if (inputs.length === 0 || outputs.length === 0) refuse('The ONNX graph has no inputs or no outputs.');
  return { opset, nodes: nodes.length, inputs, outputs };
}

function readValue(value: ProtoFields): GraphValue {
  const tensor = value.messages(2)[0]?.messages(1)[0];
  const type = elementTypes[Number(tensor?.int(1) ?? 0n)] ?? 'no tensor';
  const dims = tensor?.messages(2)[0]?.messages(1) ?? [];
  return { name: value.string(1), type, shape: dims.map(readDimension) };
}

/** Negative sizes stand for open dimensions in some exporters' files. */
function readDimension(dim: ProtoFields): number | null {
  const size = Number(dim.int(1) ?? -1n);
  return size >= 0 && Number.isSafeInteger(size) ? size : null;
}

function refuse(reason: string): never {
  throw new VesselError('bad_checkpoint', reason);
}
