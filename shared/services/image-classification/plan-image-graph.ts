import { VesselError } from '../../protocol/errors.ts';
import { describeValue, type GraphSignature, type GraphValue } from '../graph-signature.ts';
import { type ImageSettings, maxSide } from './image-schemas.ts';

/** How to feed one graph: what the settings say, completed from the graph's shapes. */
export interface ImagePlan {
  input: string;
  /** float32 gets scaled values, uint8 the bytes as they are. */
  inputType: 'float32' | 'uint8';
  output: string;
  layout: 'nchw' | 'nhwc';
  channels: 1 | 3;
  height: number;
  width: number;
}

/** Throws `bad_checkpoint` when settings and graph contradict each other or leave something open. */
export function planImageGraph(graph: GraphSignature, settings: ImageSettings): ImagePlan {
  const input = requireInput(graph, settings.inputName);
  const output = requireOutput(graph, settings);
  const { type, shape } = input;
  if (type !== 'float32' && type !== 'uint8') refuse(`${describeValue(input)} must be float32 or uint8.`);
  if (shape.length !== 4) refuse(`${describeValue(input)} is not a picture: it needs 4 dimensions.`);
  if (shape[0] !== null && shape[0] !== 1) refuse(`${describeValue(input)} takes batches of ${shape[0]}; only 1 is served.`);

  const layout = settings.layout ?? layoutOf(input);
  const [channelDim, heightDim, widthDim] = layout === 'nchw' ? [shape[1], shape[2], shape[3]] : [shape[3], shape[1], shape[2]];
  const channels = agree('channels', settings.channels, channelDim);
  if (channels !== 1 && channels !== 3) refuse(`${describeValue(input)} has ${channels} channels; 1 and 3 are served.`);
  const height = agree('height', settings.height, heightDim);
  const width = agree('width', settings.width, widthDim);
  // What the settings may not say, the graph may not say either: every order allocates it.
  if (!isSide(height) || !isSide(width)) refuse(`${describeValue(input)} is not between 1 × 1 and ${maxSide} × ${maxSide}.`);
  for (const [name, values] of Object.entries({ mean: settings.mean, std: settings.std })) {
    if (values.length > channels) refuse(`${name} has ${values.length} values for ${channels} channel.`);
  }
  return { input: input.name, inputType: type, output: output.name, layout, channels, height, width };
}

function requireInput({ inputs }: GraphSignature, name: string | undefined): GraphValue {
  if (inputs.length !== 1) refuse(`The graph has ${inputs.length} inputs; a classifier has one.`);
  const input = inputs[0]!;
  if (name !== undefined && name !== input.name) refuse(`The graph has no input "${name}"; it has ${describeValue(input)}.`);
  return input;
}

function requireOutput({ outputs }: GraphSignature, { outputName, labels }: ImageSettings): GraphValue {
  const output = outputName === undefined ? outputs[0] : outputs.find(({ name }) => name === outputName);
  if (!output) refuse(`The graph has no output "${outputName}"; it has ${outputs.map(describeValue).join(', ')}.`);
  if (output.type !== 'float32') refuse(`Output ${describeValue(output)} must be float32.`);
  const classes = output.shape.reduce(
    (product: number | null, dim) => (product === null || dim === null ? null : product * dim),
    1,
  );
  if (labels && classes !== null && labels.length !== classes)
    refuse(`There are ${labels.length} labels for ${classes} classes.`);
  return output;
}

function layoutOf(input: GraphValue): 'nchw' | 'nhwc' {
  if (input.shape[1] === 1 || input.shape[1] === 3) return 'nchw';
  if (input.shape[3] === 1 || input.shape[3] === 3) return 'nhwc';
  return refuse(`${describeValue(input)} does not tell its layout; say "layout" in the settings.`);
}

function isSide(size: number): boolean {
  return size >= 1 && size <= maxSide;
}

function agree(name: string, setting: number | undefined, dim: number | null | undefined): number {
  const value = setting ?? dim ?? refuse(`The graph leaves ${name} open; say "${name}" in the settings.`);
  if (typeof dim === 'number' && dim !== value) refuse(`The settings say ${name} ${value}, the graph says ${dim}.`);
  return value;
}

function refuse(reason: string): never {
  throw new VesselError('bad_checkpoint', `Image classification: ${reason}`);
}
