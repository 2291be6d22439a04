import { VesselError } from '../../protocol/errors.ts';
import { describeValue, type GraphSignature, type GraphValue } from '../graph-signature.ts';
import type { VoiceSettings } from './voice-schemas.ts';

/** An input that gets at each step what an output gave at the step before; zeros at first. */
export interface VoiceState {
  input: string;
  output: string;
  shape: number[];
}

/** How to feed one graph: what the settings say, completed from the graph's names and shapes. */
export interface VoicePlan {
  audio: string;
  /** [chunk + context] with ones before it, as the graph wants it. */
  audioShape: number[];
  sampleRate: { input: string; shape: number[] } | null;
  states: VoiceState[];
  probability: string;
}

/** Numbers of one state: a provider keeps them for each session. Silero has 256. */
const maxStateValues = 1 << 20;

/** Throws `bad_checkpoint` when settings and graph contradict each other or leave something open. */
export function planVoiceGraph(graph: GraphSignature, settings: VoiceSettings): VoicePlan {
  const rate = findSampleRate(graph, settings.sampleRateName);
  const floats = graph.inputs.filter((input) => input !== rate);
  const odd = floats.find(({ type }) => type !== 'float32');
  if (odd) refuse(`Input ${describeValue(odd)} is neither audio, state nor sample rate.`);
  const audio = findAudio(floats, settings);
  const states = pairStates(
    graph,
    floats.filter((input) => input !== audio),
    settings,
  );
  const free = graph.outputs.filter(({ name }) => !states.some((state) => state.output === name));
  const probability = settings.outputName === undefined ? free[0] : free.find(({ name }) => name === settings.outputName);
  if (!probability) refuse(`The graph has no probability output${settings.outputName ? ` "${settings.outputName}"` : ''}.`);
  if (probability.type !== 'float32' || probability.shape.some((dim) => dim !== null && dim !== 1)) {
    refuse(`Output ${describeValue(probability)} is not one probability.`);
  }
  return {
    audio: audio.name,
    audioShape: audioShape(audio, settings.chunkSamples + settings.contextSamples),
    sampleRate: rate ? { input: rate.name, shape: rate.shape.map(() => 1) } : null,
    states,
    probability: probability.name,
  };
}

function findSampleRate({ inputs }: GraphSignature, name: string | undefined): GraphValue | null {
  const found = name === undefined ? inputs.find(isScalarInteger) : inputs.find((input) => input.name === name);
  if (name !== undefined && !(found && isScalarInteger(found))) refuse(`The graph has no int64 scalar input "${name}".`);
  return found ?? null;
}

function isScalarInteger({ type, shape }: GraphValue): boolean {
  return type === 'int64' && shape.every((dim) => dim === 1 || dim === null);
}

/** States have three dimensions in every recurrent graph, audio one or two. */
function findAudio(floats: GraphValue[], { inputName, states }: VoiceSettings): GraphValue {
  const candidates =
    inputName === undefined
      ? floats.filter(({ name, shape }) => shape.length <= 2 && !states?.some(({ input }) => input === name))
      : floats.filter(({ name }) => name === inputName);
  if (candidates.length === 1) return candidates[0]!;
  return refuse(`Which input is the audio? Say "inputName" in the settings: ${floats.map(describeValue).join(', ')}.`);
}

function audioShape(audio: GraphValue, samples: number): number[] {
  const { shape } = audio;
  const last = shape.at(-1);
  const isRow = shape.length > 0 && shape.slice(0, -1).every((dim) => dim === null || dim === 1);
  if (!isRow || (last !== null && last !== samples)) refuse(`${describeValue(audio)} does not take ${samples} samples.`);
  return [...shape.slice(0, -1).map(() => 1), samples];
}

function pairStates({ outputs }: GraphSignature, inputs: GraphValue[], settings: VoiceSettings): VoiceState[] {
  const taken = new Set(settings.outputName === undefined ? [] : [settings.outputName]);
  return inputs.map((input) => {
    const free = outputs.filter(({ name }) => !taken.has(name));
    const output = pairOf(input, free, settings);
    if (!output) refuse(`Which output is the next ${describeValue(input)}? Say "states" in the settings.`);
    taken.add(output.name);
    // An open dimension is the batch.
    const shape = input.shape.map((dim) => dim ?? 1);
    const values = shape.reduce((product, dim) => product * dim, 1);
    if (values > maxStateValues) refuse(`${describeValue(input)} is too large for a state.`);
    return { input: input.name, output: output.name, shape };
  });
}

function pairOf(input: GraphValue, outputs: GraphValue[], { states }: VoiceSettings): GraphValue | undefined {
  const named = states?.find((state) => state.input === input.name);
  if (named) return outputs.find(({ name }) => name === named.output);
  // state → stateN, state_n, state_out, new_state, next_state; h → hn.
  const stem = input.name.toLowerCase();
  const isNext = (name: string): boolean =>
    [name.replace(/_?(n|out|next|new)$/, ''), name.replace(/^(new|next)_?/, '')].includes(stem);
  const byName = outputs.find(({ name }) => isNext(name.toLowerCase()));
  if (byName) return byName;
  const byShape = outputs.filter(
    ({ shape }) => shape.length === input.shape.length && shape.every((dim, i) => dim === null || dim === (input.shape[i] ?? 1)),
  );
  return byShape.length === 1 ? byShape[0] : undefined;
}

function refuse(reason: string): never {
  throw new VesselError('bad_checkpoint', `Voice activity: ${reason}`);
}
