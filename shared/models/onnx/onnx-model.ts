/**
 * An ONNX ModelProto, as far as shard graphs need one: nodes, typed inputs and outputs, small constants inside and weights
 * outside ("external data": file, offset, length). Field numbers are those of onnx.proto3.
 */
import { ProtoMessage } from './protobuf.ts';

export const onnxTypes = { f32: 1, u8: 2, i32: 6, i64: 7, f16: 10 } as const;
export type OnnxType = keyof typeof onnxTypes;

/** `f` marks a float attribute, since 1.0 and 1 are the same number in JavaScript. */
export type OnnxAttribute = number | string | { f: number };

export interface OnnxNode {
  op: string;
  domain: '' | 'com.microsoft';
  /** '' stands for an optional input or output left out. */
  inputs: string[];
  outputs: string[];
  attributes: Record<string, OnnxAttribute>;
}

export interface OnnxValue {
  name: string;
  type: OnnxType;
  /** A name is a dimension known only when the graph runs. */
  shape: (number | string)[];
}

export interface OnnxConstant {
  name: string;
  type: OnnxType;
  shape: number[];
  bytes: Uint8Array;
}

export interface OnnxExternal {
  name: string;
  type: OnnxType;
  shape: number[];
  file: string;
  offset: number;
  length: number;
}

export interface OnnxModel {
  nodes: OnnxNode[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
  constants: OnnxConstant[];
  externals: OnnxExternal[];
}

/** ONNX IR 10 with operator set 20 (the first that has Gelu). */
export function encodeOnnxModel(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const graph = new ProtoMessage();
  for (const node of model.nodes) graph.message(1, encodeNode(node));
  graph.string(2, 'shard');
  for (const constant of model.constants) graph.message(5, encodeTensor(constant).bytes(9, constant.bytes));
  for (const external of model.externals) graph.message(5, encodeExternal(external));
  for (const input of model.inputs) graph.message(11, encodeValue(input));
  for (const output of model.outputs) graph.message(12, encodeValue(output));
  return new ProtoMessage()
    .int(1, 10)
    .string(2, 'vessel')
    .message(7, graph)
    .message(8, new ProtoMessage().string(1, '').int(2, 20))
    .message(8, new ProtoMessage().string(1, 'com.microsoft').int(2, 1))
    .finish();
}

function encodeNode(node: OnnxNode): ProtoMessage {
  const message = new ProtoMessage();
  for (const input of node.inputs) message.string(1, input);
  for (const output of node.outputs) message.string(2, output);
  message.string(3, node.outputs.find((name) => name !== '') ?? node.op).string(4, node.op);
  for (const [name, value] of Object.entries(node.attributes)) message.message(5, encodeAttribute(name, value));
  return message.string(7, node.domain);
}

function encodeAttribute(name: string, value: OnnxAttribute): ProtoMessage {
  const message = new ProtoMessage().string(1, name);
  if (typeof value === 'number') return message.int(3, value).int(20, 2);
  if (typeof value === 'string') return message.string(4, value).int(20, 3);
  return message.float(2, value.f).int(20, 1);
}

function encodeTensor(tensor: { name: string; type: OnnxType; shape: number[] }): ProtoMessage {
  return new ProtoMessage().packedInts(1, tensor.shape).int(2, onnxTypes[tensor.type]).string(8, tensor.name);
}

function encodeExternal(external: OnnxExternal): ProtoMessage {
  const message = encodeTensor(external);
  const place = { location: external.file, offset: String(external.offset), length: String(external.length) };
  for (const [key, value] of Object.entries(place)) message.message(13, new ProtoMessage().string(1, key).string(2, value));
  return message.int(14, 1);
}

function encodeValue(value: OnnxValue): ProtoMessage {
  const shape = new ProtoMessage();
  for (const dimension of value.shape) {
    const message = new ProtoMessage();
    shape.message(1, typeof dimension === 'number' ? message.int(1, dimension) : message.string(2, dimension));
  }
  const tensor = new ProtoMessage().int(1, onnxTypes[value.type]).message(2, shape);
  return new ProtoMessage().string(1, value.name).message(2, new ProtoMessage().message(1, tensor));
}
