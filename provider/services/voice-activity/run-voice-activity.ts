import { VesselError } from '../../../shared/protocol/errors.ts';
import { planVoiceGraph, type VoicePlan } from '../../../shared/services/voice-activity/plan-voice-graph.ts';
import { voiceActivity } from '../../../shared/services/voice-activity/voice-activity.ts';
import type { VoiceOrder, VoiceResult, VoiceSettings } from '../../../shared/services/voice-activity/voice-schemas.ts';
import type { GraphExecutor, GraphTensor } from '../graph-executor.ts';
import type { ServiceRunner } from '../service-runtime.ts';
import { pcmSamples } from './pcm-samples.ts';

/** Where a stream stands. Replaced as a whole after each order, so an order that fails changes nothing. */
interface Memory {
  /** Recurrent state by input name. */
  states: Record<string, Float32Array>;
  /** The last samples of the previous chunk. */
  context: Float32Array;
  /** Samples that do not fill a chunk yet. */
  rest: Float32Array;
  /** Position of `rest` in the stream. */
  startSample: number;
}

export const runVoiceActivity: ServiceRunner<VoiceSettings, VoiceOrder, VoiceResult> = {
  type: voiceActivity,
  prepare(graph, settings) {
    const plan = planVoiceGraph(graph.signature, settings);
    return () => {
      let memory = freshMemory(plan, settings);
      return {
        async run(order, bytes) {
          const samples = joinSamples(memory.rest, pcmSamples(order.format, bytes));
          const { next, probabilities } = await listen(
            graph,
            plan,
            settings,
            memory,
            order.end ? pad(samples, settings) : samples,
          );
          const { startSample } = memory;
          memory = order.end ? freshMemory(plan, settings) : next;
          return {
            sampleRate: settings.sampleRate,
            chunkSamples: settings.chunkSamples,
            startSample,
            probabilities,
            speech: speechRuns(probabilities, startSample, settings),
            backend: graph.backend,
          };
        },
      };
    };
  },
  trial: (_graph, { chunkSamples }) => ({ order: { format: 's16le', end: true }, input: new Uint8Array(2 * chunkSamples) }),
};

function freshMemory(plan: VoicePlan, { contextSamples }: VoiceSettings): Memory {
  const zeros = plan.states.map(
    ({ input, shape }) => [input, new Float32Array(shape.reduce((size, dim) => size * dim, 1))] as const,
  );
  return {
    states: Object.fromEntries(zeros),
    context: new Float32Array(contextSamples),
    rest: new Float32Array(0),
    startSample: 0,
  };
}

/** Runs the graph over every whole chunk of `samples`. */
async function listen(
  graph: GraphExecutor,
  plan: VoicePlan,
  { chunkSamples, contextSamples, sampleRate }: VoiceSettings,
  memory: Memory,
  samples: Float32Array,
): Promise<{ next: Memory; probabilities: number[] }> {
  const outputs = [plan.probability, ...plan.states.map(({ output }) => output)];
  const probabilities: number[] = [];
  let { states, context } = memory;
  let at = 0;
  for (; at + chunkSamples <= samples.length; at += chunkSamples) {
    const audio = joinSamples(context, samples.subarray(at, at + chunkSamples));
    const feeds: Record<string, GraphTensor> = { [plan.audio]: { type: 'float32', dims: plan.audioShape, data: audio } };
    for (const { input, shape } of plan.states) feeds[input] = { type: 'float32', dims: shape, data: states[input]! };
    if (plan.sampleRate) {
      const { input, shape } = plan.sampleRate;
      feeds[input] = { type: 'int64', dims: shape, data: BigInt64Array.of(BigInt(sampleRate)) };
    }
    const results = await graph.run(feeds, outputs);
    probabilities.push(requireProbability(results[plan.probability]!));
    states = Object.fromEntries(plan.states.map(({ input, output }) => [input, results[output]!]));
    context = audio.slice(audio.length - contextSamples);
  }
  return { next: { states, context, rest: samples.slice(at), startSample: memory.startSample + at }, probabilities };
}

function requireProbability(values: Float32Array): number {
  const [probability] = values;
  if (values.length === 1 && probability! >= 0 && probability! <= 1) return probability!;
  throw new VesselError('bad_output', 'The graph did not give one probability per chunk.');
}

function speechRuns(
  probabilities: number[],
  startSample: number,
  { threshold, chunkSamples }: VoiceSettings,
): VoiceResult['speech'] {
  const runs: VoiceResult['speech'] = [];
  probabilities.forEach((probability, chunk) => {
    if (probability < threshold) return;
    const from = startSample + chunk * chunkSamples;
    const last = runs.at(-1);
    if (last?.to === from) last.to = from + chunkSamples;
    else runs.push({ from, to: from + chunkSamples });
  });
  return runs;
}

function joinSamples(first: Float32Array, second: Float32Array): Float32Array {
  const joined = new Float32Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** Silence up to the next whole chunk. */
function pad(samples: Float32Array, { chunkSamples }: VoiceSettings): Float32Array {
  const padded = new Float32Array(Math.ceil(samples.length / chunkSamples) * chunkSamples);
  padded.set(samples);
  return padded;
}
