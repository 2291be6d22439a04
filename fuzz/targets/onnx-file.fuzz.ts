/** An ONNX file that somebody imports: the reader, then both kinds of services that could take the graph. */
import { ok } from 'node:assert/strict';
import { type OnnxFile, readOnnxFile } from '../../relay/models/read-onnx-file.ts';
import { ProtoMessage } from '../../shared/models/onnx/protobuf.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { serviceTypes } from '../../shared/services/registry.ts';
import { parseSettings } from '../../shared/services/service-type.ts';
import type { BytesTarget } from '../engine/target.ts';
import { mutateProtobuf } from '../samples/mutate-protobuf.ts';

/** TensorProto.DataType */
const [float, int64] = [1, 7];

function value(name: string, type: number, dims: (number | string)[]): ProtoMessage {
  const shape = new ProtoMessage();
  for (const dim of dims) {
    shape.message(1, typeof dim === 'number' ? new ProtoMessage().int(1, dim) : new ProtoMessage().string(2, dim));
  }
  const tensor = new ProtoMessage().int(1, type).message(2, shape);
  return new ProtoMessage().string(1, name).message(2, new ProtoMessage().message(1, tensor));
}

function onnx(inputs: ProtoMessage[], outputs: ProtoMessage[]): Uint8Array<ArrayBuffer> {
  const graph = new ProtoMessage().message(1, new ProtoMessage().string(1, 'x').string(2, 'y').string(4, 'Relu')).string(2, 'g');
  graph.message(5, new ProtoMessage().packedInts(1, [2]).int(2, float).string(8, 'w').bytes(9, new Uint8Array(8)));
  for (const input of inputs) graph.message(11, input);
  for (const output of outputs) graph.message(12, output);
  return new ProtoMessage().int(1, 8).message(7, graph).message(8, new ProtoMessage().string(1, '').int(2, 17)).finish();
}

export const target: BytesTarget = {
  name: 'onnx-file',
  form: 'bytes',
  maxLength: 4096,
  seeds: [
    onnx([value('image', float, [1, 3, 28, 28])], [value('scores', float, [1, 10])]),
    onnx([value('image', float, ['n', 'h', 'w', 1]), value('w', float, [2])], [value('scores', float, ['n', 10])]),
    onnx(
      [value('input', float, ['n', 576]), value('state', float, [2, 1, 128]), value('sr', int64, [])],
      [value('output', float, [1, 1]), value('stateN', float, [2, 'n', 128])],
    ),
  ],
  refusals: ['bad_checkpoint'],
  mutate: mutateProtobuf,
  decode(bytes) {
    const graph = readOnnxFile(bytes);
    for (const { shape } of [...graph.inputs, ...graph.outputs]) {
      for (const dim of shape) ok(dim === null || (Number.isSafeInteger(dim) && dim >= 0));
    }
    return serviceTypes.map((type) => fits(type, graph)).join();
  },
};

function fits(type: (typeof serviceTypes)[number], graph: OnnxFile): string {
  try {
    type.checkGraph(graph, parseSettings(type, {}));
    // What fits is loaded by providers, who set aside what one order takes.
    const sizes = graph.inputs.map(({ shape }) => shape.reduce((size: number, dim) => size * (dim ?? 1), 1));
    ok(Math.max(...sizes) <= 3 * 4096 ** 2, `a graph that takes tensors of ${Math.max(...sizes)} values fits ${type.name}`);
    return 'fits';
  } catch (thrown) {
    if (thrown instanceof VesselError && thrown.code === 'bad_checkpoint') return thrown.message;
    throw thrown;
  }
}
