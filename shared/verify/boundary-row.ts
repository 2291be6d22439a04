/**
 * What crosses the boundary of a hop at one position, as the bytes that are hashed. All numbers little-endian:
 *
 *   token (into hop 1)         id u32
 *   row   (between hops)       width × f32: the bits that the frame carried. An f16 frame counts as the f32 it expands to (exact)
 *   draw  (out of the last)    position u32 ‖ id u32 ‖ end u32 (0 goes on, 1 stop id, 2 length) ‖ vocab × f32 logits
 *
 * A draw stands for the position that its logits were computed at; the token it names has the position after.
 */
import { leafHash } from './hash-tree.ts';

/** Why the answer ends with this draw: not at all, with a stop id, or because `maxTokens` is reached. */
export const drawEnds = ['goes-on', 'stop', 'length'] as const;
export type DrawEnd = (typeof drawEnds)[number];

export interface Draw {
  /** Index in prompt + answer of the last token that the logits know. */
  position: number;
  /** The token drawn, a stop id included. */
  id: number;
  end: DrawEnd;
  /** [vocab] */
  logits: Float32Array;
}

export function tokenLeaf(id: number): Uint8Array {
  return leafHash(words(id));
}

/** One row of the residual stream, [width]. */
export function rowLeaf(row: Float32Array): Uint8Array {
  return leafHash(bytesOf(row));
}

export function drawLeaf({ position, id, end, logits }: Draw): Uint8Array {
  return leafHash(words(position, id, drawEnds.indexOf(end)), bytesOf(logits));
}

/** Leaves of row-major [count, width]. */
export function rowLeaves(values: Float32Array, width: number): Uint8Array[] {
  return Array.from({ length: values.length / width }, (_, row) => rowLeaf(values.subarray(row * width, (row + 1) * width)));
}

/** Every platform that runs WebAssembly is little-endian, and frames rely on it too. */
function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, true);
  return bytes;
}
