/**
 * One message between two hops. Either hidden states going down the route, or the sampled token going back from the last hop
 * to the first. Little-endian; each offset is derived from the one before it. See SPEC rules FR1–FR5.
 */
import { VesselError } from './errors.ts';
import { historyBytes } from './history.ts';
import { limits } from './limits.ts';
import { protocolVersion } from './version.ts';

export const frameKinds = { hidden: 0, token: 1 } as const;
export const frameDtypes = { f32: 0, f16: 1 } as const;
const endOfPromptFlag = 1;

const sessionBytes = 16;
const versionAt = 0;
const kindAt = versionAt + 1;
const dtypeAt = kindAt + 1;
const flagsAt = dtypeAt + 1;
const sessionAt = flagsAt + 1;
const epochAt = sessionAt + sessionBytes;
const positionAt = epochAt + 4;
const countAt = positionAt + 4;
const widthAt = countAt + 4;
const priorAt = widthAt + 4;
const afterAt = priorAt + historyBytes;
export const frameHeaderBytes = afterAt + historyBytes;

interface FrameHead {
  /** 32 hex digits. */
  session: string;
  /** KV generation: grows whenever the state of the session was rebuilt. */
  epoch: number;
  /** Position of the first row (hidden) or of the new token (token). */
  position: number;
  /** Hash of the tokens before `position`. */
  prior: Uint8Array;
  /** Hash of the tokens up to the end of this frame. */
  after: Uint8Array;
}

export interface HiddenFrame extends FrameHead {
  kind: 'hidden';
  dtype: 'f32' | 'f16';
  count: number;
  /** Hidden size of the model. */
  width: number;
  /** The last row is followed by sampling. */
  endOfPrompt: boolean;
  /** Row-major [count, width] in `dtype`, not necessarily aligned. */
  payload: Uint8Array;
}

export interface TokenFrame extends FrameHead {
  kind: 'token';
  token: number;
}

export type Frame = HiddenFrame | TokenFrame;

export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  const payloadLength = frame.kind === 'hidden' ? frame.payload.byteLength : 4;
  const bytes = new Uint8Array(frameHeaderBytes + payloadLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(versionAt, protocolVersion);
  view.setUint8(kindAt, frameKinds[frame.kind]);
  for (let i = 0; i < sessionBytes; i++) {
    view.setUint8(sessionAt + i, Number.parseInt(frame.session.slice(2 * i, 2 * i + 2), 16));
  }
  view.setUint32(epochAt, frame.epoch, true);
  view.setUint32(positionAt, frame.position, true);
  bytes.set(frame.prior, priorAt);
  bytes.set(frame.after, afterAt);
  if (frame.kind === 'hidden') {
    view.setUint8(dtypeAt, frameDtypes[frame.dtype]);
    view.setUint8(flagsAt, frame.endOfPrompt ? endOfPromptFlag : 0);
    view.setUint32(countAt, frame.count, true);
    view.setUint32(widthAt, frame.width, true);
    bytes.set(frame.payload, frameHeaderBytes);
  } else {
    view.setUint32(countAt, 1, true);
    view.setUint32(frameHeaderBytes, frame.token, true);
  }
  return bytes;
}

/** The one door for frames from outside. Throws `bad_message`, `version_mismatch` or `frame_too_large`; the payload is a view. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.byteLength > limits.maxFrameBytes) throw new VesselError('frame_too_large');
  if (bytes.byteLength < frameHeaderBytes) throw bad('shorter than its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(versionAt) !== protocolVersion) throw new VesselError('version_mismatch');
  let session = '';
  for (let i = 0; i < sessionBytes; i++)
    session += view
      .getUint8(sessionAt + i)
      .toString(16)
      .padStart(2, '0');
  const head: FrameHead = {
    session,
    epoch: view.getUint32(epochAt, true),
    position: view.getUint32(positionAt, true),
    prior: bytes.slice(priorAt, afterAt),
    after: bytes.slice(afterAt, frameHeaderBytes),
  };
  const count = view.getUint32(countAt, true);
  const width = view.getUint32(widthAt, true);
  const flags = view.getUint8(flagsAt);
  const dtype = view.getUint8(dtypeAt);
  const payload = bytes.subarray(frameHeaderBytes);
  switch (view.getUint8(kindAt)) {
    case frameKinds.token: {
      if (count !== 1 || width !== 0 || flags !== 0 || dtype !== 0) throw bad('token frame with hidden fields');
      if (payload.byteLength !== 4) throw bad('token frame of a wrong length');
      if (head.position >= limits.maxContext) throw bad('position beyond any context');
      return { kind: 'token', ...head, token: view.getUint32(frameHeaderBytes, true) };
    }
    case frameKinds.hidden: {
      if (dtype > frameDtypes.f16) throw bad('unknown dtype');
      if ((flags & ~endOfPromptFlag) !== 0) throw bad('unknown flags');
      if (count < 1 || count > limits.prefillChunk) throw bad('count out of range');
      if (width < 1 || width > limits.maxHidden) throw bad('width out of range');
      if (head.position + count > limits.maxContext) throw bad('position beyond any context');
      if (payload.byteLength !== count * width * (dtype === frameDtypes.f16 ? 2 : 4)) throw bad('payload of a wrong length');
      const name = dtype === frameDtypes.f16 ? 'f16' : 'f32';
      return { kind: 'hidden', ...head, dtype: name, count, width, endOfPrompt: (flags & endOfPromptFlag) !== 0, payload };
    }
    default:
      throw bad('unknown kind');
  }
}

function bad(why: string): VesselError {
  return new VesselError('bad_message', `Frame refused: ${why}.`);
}
