/** `vessel demo` with tabs that fail in the middle of the answer: real tabs, the relay's HTTP API, the same tokens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DemoReport } from '../../relay/cli/demo-question.ts';
import { runVessel } from '../harness/vessel-process.ts';

const question = [
  'demo',
  '--json',
  '--tabs',
  '3',
  '--prompt',
  'A story about a boat',
  '--ignore-eos',
  '--temperature',
  '0.8',
  '--seed',
  '5',
];

const isFull = process.env.VESSEL_FULL === '1';

async function ask(...args: string[]): Promise<DemoReport> {
  const { code, stdout, stderr, leftovers } = await runVessel([...question, ...args]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(leftovers, []);
  return JSON.parse(stdout) as DemoReport;
}

test('[FO1] tabs that are killed, stand still or lose their links change no token of the answer', async (t) => {
  const wasm = ['--backend', 'wasm', '--max-tokens', '200'];
  const { tokenIds } = await ask(...wasm);
  const faults = [
    ['--kill-at', '4:1', '--kill-at', '60:3'],
    ['--partition-at', '15:2'],
    ...(isFull
      ? [
          ['--kill-at', '10:2', '--kill-at', '10:3'],
          ['--freeze-at', '20:2'],
        ]
      : []),
  ];
  for (const fault of faults) {
    await t.test(fault.join(' '), async () => {
      const report = await ask(...wasm, ...fault);
      assert.deepEqual(report.tokenIds, tokenIds);
      assert.ok(report.failovers >= 1);
    });
  }
});

// Six tabs on a software graphics device take minutes.
if (isFull) {
  test('[FO1] a WebGPU tab that is killed changes no token of the answer', async () => {
    const webgpu = ['--backend', 'webgpu', '--max-tokens', '24'];
    const { tokenIds } = await ask(...webgpu);
    const report = await ask(...webgpu, '--kill-at', '6:2');
    assert.deepEqual(report.tokenIds, tokenIds);
    assert.ok(report.failovers >= 1);
  });
}

test('a fault that names no token or no hop of the route is refused', async () => {
  for (const [flag, value] of [
    ['--kill-at', 'soon'],
    ['--freeze-at', '5:4'],
    ['--partition-at', '5:1:1'],
  ] as const) {
    const { code, stderr } = await runVessel([...question, flag, value]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(flag.slice(2)));
  }
});
