/**
 * Streams carry records: a 4-byte little-endian length, a kind byte, the body. The transport cuts them into slices of any size
 * (limits.maxSliceBytes on WebRTC), so the reader collects until a record is whole. SPEC ST1–ST5.
 */
import { VesselError } from './errors.ts';

export const recordKinds = { text: 0, bytes: 1, frame: 2, refusal: 3 } as const;
const kindNames = ['text', 'bytes', 'frame', 'refusal'] as const;
export type RecordKind = (typeof kindNames)[number];
const headBytes = 5;

export function encodeRecord(kind: RecordKind, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(headBytes + body.byteLength);
  new DataView(record.buffer).setUint32(0, body.byteLength, true);
  record[4] = recordKinds[kind];
  record.set(body, headBytes);
  return record;
}

export class RecordReader {
  readonly #maxBytes: Partial<Record<RecordKind, number>>;
  readonly #onRecord: (kind: RecordKind, body: Uint8Array<ArrayBuffer>) => void;
  readonly #head = new Uint8Array(headBytes);
  #headFilled = 0;
  #kind: RecordKind = 'text';
  #body: Uint8Array<ArrayBuffer> | null = null;
  #bodyFilled = 0;

  /** `maxBytes` names the kinds this stream may carry and the longest body of each. */
  constructor(
    maxBytes: Partial<Record<RecordKind, number>>,
    onRecord: (kind: RecordKind, body: Uint8Array<ArrayBuffer>) => void,
  ) {
    this.#maxBytes = maxBytes;
    this.#onRecord = onRecord;
  }

  /** Throws `frame_too_large` or `bad_message` before anything of that size is allocated; the stream must then be ended. */
  push(slice: Uint8Array): void {
    let at = 0;
    while (at < slice.byteLength || this.#isWhole()) {
      if (this.#body === null) {
        const part = slice.subarray(at, at + headBytes - this.#headFilled);
        this.#head.set(part, this.#headFilled);
        this.#headFilled += part.byteLength;
        at += part.byteLength;
        if (this.#headFilled < headBytes) return;
        this.#begin();
      }
      const body = this.#body!;
      const part = slice.subarray(at, at + body.byteLength - this.#bodyFilled);
      body.set(part, this.#bodyFilled);
      this.#bodyFilled += part.byteLength;
      at += part.byteLength;
      if (!this.#isWhole()) return;
      this.#body = null;
      this.#headFilled = 0;
      this.#onRecord(this.#kind, body);
    }
  }

  #isWhole(): boolean {
    return this.#body !== null && this.#bodyFilled === this.#body.byteLength;
  }

  #begin(): void {
    const kind = kindNames[this.#head[4]!];
    const max = kind === undefined ? undefined : this.#maxBytes[kind];
    if (kind === undefined || max === undefined) throw new VesselError('bad_message', 'This stream does not carry such records.');
    const length = new DataView(this.#head.buffer).getUint32(0, true);
    if (length > max) throw new VesselError('frame_too_large');
    this.#kind = kind;
    this.#body = new Uint8Array(length);
    this.#bodyFilled = 0;
  }
}
