/**
 * "A new service type is one folder on each side." This file plays a third type, `spectrum-energy`: the first half is what its
 * folder under `shared/services` would hold, the second half its folder under `provider/services`; the two registries get one
 * more line. Import, scheduling, metering and running come with that, on a real graph.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { loadOrtNode } from '../../provider/runtime/load-ort-node.ts';
import { createGraphService } from '../../provider/services/create-graph-service.ts';
import { serviceRunners } from '../../provider/services/registry.ts';
import type { ServiceRunner } from '../../provider/services/service-runtime.ts';
import { encodeOnnxModel } from '../../shared/models/onnx/onnx-model.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { serviceTypes } from '../../shared/services/registry.ts';
import type { ServiceType } from '../../shared/services/service-type.ts';
import { fixtureBytes } from '../../testing/fixture-file.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { importGraph } from './import-graph.ts';

// shared/services/spectrum-energy/
const settingsSchema = z.strictObject({ gain: z.number().positive().default(1) });
const orderSchema = z.strictObject({ count: z.number().int().min(1).max(100) });
const resultSchema = z.strictObject({ values: z.array(z.number()), total: z.number() });
type Settings = z.infer<typeof settingsSchema>;
type Order = z.infer<typeof orderSchema>;
type Result = z.infer<typeof resultSchema>;

const spectrumEnergy: ServiceType<Settings, Order, Result> = {
  name: 'spectrum-energy',
  settings: settingsSchema,
  order: orderSchema,
  result: resultSchema,
  maxInputBytes: 400,
  unit: 'value',
  positionsPerUnit: 2,
  streaming: true,
  checkGraph({ inputs }) {
    if (inputs[0]?.shape.length !== 1) throw new VesselError('bad_checkpoint', 'Spectrum energy: the input must be one row.');
  },
  mostUnits: ({ count }) => count,
  meter: ({ count }) => ({ unit: 'value', amount: count }),
};

// provider/services/spectrum-energy/
const runSpectrumEnergy: ServiceRunner<Settings, Order, Result> = {
  type: spectrumEnergy,
  prepare: (graph, { gain }) => {
    const input = graph.signature.inputs[0]!.name;
    const output = graph.signature.outputs[0]!.name;
    return () => {
      let total = 0;
      return {
        async run({ count }, bytes) {
          const data = new Float32Array(bytes.slice().buffer).map((value) => value * gain);
          const outputs = await graph.run({ [input]: { type: 'float32', dims: [count], data } }, [output]);
          const values = [...outputs[output]!];
          total += values.reduce((sum, value) => sum + value, 0);
          return { values, total };
        },
      };
    };
  },
  trial: () => ({ order: { count: 1 }, input: new Uint8Array(4) }),
};

test('a third service type takes its folders and a line in each registry, and nothing else', async () => {
  const types = [...serviceTypes, spectrumEnergy];
  const runners = [...serviceRunners, runSpectrumEnergy];
  const square = encodeOnnxModel({
    nodes: [{ op: 'Mul', domain: '', inputs: ['x', 'x'], outputs: ['y'], attributes: {} }],
    inputs: [{ name: 'x', type: 'f32', shape: ['count'] }],
    outputs: [{ name: 'y', type: 'f32', shape: ['count'] }],
    constants: [],
    externals: [],
  });
  const blobs = new MemoryBlobs();
  const what = { name: 'energy', service: 'spectrum-energy', settings: { gain: 2 }, origin: 'a test' };
  const { manifest } = await importGraph(square, what, blobs, types);
  await assert.rejects(importGraph(fixtureBytes('mnist/mnist-8.onnx'), what, blobs, types), /must be one row/);

  const graph = await blobs.read(manifest.graph.cid, 0, manifest.graph.bytes);
  const service = await createGraphService({ ...manifest, ort: loadOrtNode(), graph, backends: ['wasm'], runners });
  assert.equal(service.streaming, true);
  const session = service.openSession();
  const input = new Uint8Array(Float32Array.of(1, 2, 3).buffer);
  assert.deepEqual(await session.run({ count: 3 }, input), {
    result: { values: [4, 16, 36], total: 56 },
    meter: { unit: 'value', amount: 3 },
  });
  assert.equal(resultSchema.parse((await session.run({ count: 3 }, input)).result).total, 112);
  assert.deepEqual([service.mostPositions({ count: 3 }, 12), service.positionsOf({ unit: 'value', amount: 3 })], [6, 6]);
  await assert.rejects(session.run({ count: 0 }, input), { code: 'bad_request' });
  await service.dispose();
});

test('both sides list the same service types', () => {
  assert.deepEqual(
    serviceRunners.map(({ type }) => type.name),
    serviceTypes.map(({ name }) => name),
  );
});
