/** The records of a stream, cut into slices as the first byte says. Cut otherwise, the same records come out. */
import { deepEqual } from 'node:assert/strict';
import { VesselError } from '../../shared/protocol/errors.ts';
import { encodeRecord, type RecordKind, RecordReader } from '../../shared/protocol/record-reader.ts';
import type { BytesTarget } from '../engine/target.ts';

const maxBytes = { text: 300, bytes: 1000, frame: 64 } as const;
const stream = (slice: number, ...records: Uint8Array[]) => Uint8Array.from([slice, ...records.flatMap((record) => [...record])]);

export const target: BytesTarget = {
  name: 'record-stream',
  form: 'bytes',
  maxLength: 4096,
  seeds: [
    stream(1, encodeRecord('text', new TextEncoder().encode('{"type":"start"}')), encodeRecord('bytes', new Uint8Array(20))),
    stream(7, encodeRecord('frame', new Uint8Array(64)), encodeRecord('frame', new Uint8Array(0))),
    stream(200, encodeRecord('refusal', new Uint8Array(3))),
  ],
  refusals: ['bad_message', 'frame_too_large'],
  decode(input) {
    const slice = Math.max(1, input[0] ?? 1);
    const cut = read(input.subarray(1), slice);
    deepEqual(cut, read(input.subarray(1), Math.max(1, input.length)));
    if (cut.code !== null) throw new VesselError(cut.code as 'bad_message');
    return cut.records
      .map(({ kind }) => kind)
      .slice(0, 4)
      .join();
  },
};

function read(bytes: Uint8Array, slice: number) {
  const records: { kind: RecordKind; body: Uint8Array }[] = [];
  const reader = new RecordReader(maxBytes, (kind, body) => records.push({ kind, body }));
  try {
    for (let at = 0; at < bytes.length; at += slice) reader.push(bytes.subarray(at, at + slice));
  } catch (thrown) {
    if (!(thrown instanceof VesselError)) throw thrown;
    return { records, code: thrown.code };
  }
  return { records, code: null };
}
