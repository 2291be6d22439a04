import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VesselError } from './errors.ts';
import { encodeRecord, type RecordKind, RecordReader, recordKinds } from './record-reader.ts';

const everyKind = { text: 1000, bytes: 1000, frame: 1000, refusal: 1000 };
type Read = [RecordKind, number[]];

function reading(maxBytes: Partial<Record<RecordKind, number>> = everyKind) {
  const records: Read[] = [];
  return { records, reader: new RecordReader(maxBytes, (kind, body) => records.push([kind, [...body]])) };
}

const anyKind = fc.constantFrom(...(Object.keys(recordKinds) as RecordKind[]));
const anyRecords = fc.array(fc.tuple(anyKind, fc.uint8Array({ maxLength: 60 })), { maxLength: 8 });

function joined(records: [RecordKind, Uint8Array][]): Uint8Array {
  return Buffer.concat(records.map(([kind, body]) => encodeRecord(kind, body)));
}

test('[ST1] a record is its length in four bytes, its kind in one, and its body', () => {
  assert.deepEqual([...encodeRecord('refusal', Uint8Array.of(7, 8))], [2, 0, 0, 0, 3, 7, 8]);
  assert.deepEqual(recordKinds, { text: 0, bytes: 1, frame: 2, refusal: 3 });
  assert.deepEqual([...encodeRecord('text', new Uint8Array(0))], [0, 0, 0, 0, 0]);
});

test('[ST2] however the bytes are sliced, the same records come out in the same order', () => {
  fc.assert(
    fc.property(anyRecords, fc.array(fc.nat({ max: 70 }), { maxLength: 40 }), (records, cuts) => {
      const bytes = joined(records);
      const { records: read, reader } = reading();
      let at = 0;
      for (const size of cuts) {
        reader.push(bytes.subarray(at, at + size));
        at += size;
      }
      reader.push(bytes.subarray(at));
      assert.deepEqual(
        read,
        records.map(([kind, body]) => [kind, [...body]]),
      );
    }),
  );
});

test('[ST2] a record read is a copy: the slice may be used again', () => {
  const { records, reader } = reading();
  const bytes = encodeRecord('text', Uint8Array.of(1, 2));
  reader.push(bytes);
  bytes.fill(0);
  assert.deepEqual(records, [['text', [1, 2]]]);
});

test('[ST3] a kind that is unknown, or not for this stream, is refused', () => {
  for (const kind of [1, 4, 255]) {
    assert.throws(() => reading({ text: 10 }).reader.push(Uint8Array.of(0, 0, 0, 0, kind)), { code: 'bad_message' });
  }
});

test('[ST4] a record too long is refused by its head alone, before room for it is made', () => {
  // 4 GiB would not have fitted: had they been asked for, the error were a RangeError.
  const huge = Uint8Array.of(255, 255, 255, 255, recordKinds.frame);
  assert.throws(() => reading({ frame: 10 }).reader.push(huge), { code: 'frame_too_large' });
  assert.throws(() => reading({ frame: 10 }).reader.push(Uint8Array.of(11, 0, 0, 0, 2)), { code: 'frame_too_large' });
  assert.doesNotThrow(() => reading({ frame: 10 }).reader.push(Uint8Array.of(10, 0, 0, 0, 2)));
});

test('[ST5] after a refusal the stream gives nothing more', () => {
  const { records, reader } = reading({ text: 10 });
  assert.throws(() => reader.push(encodeRecord('frame', Uint8Array.of(1))));
  assert.throws(() => reader.push(encodeRecord('text', Uint8Array.of(1))), { code: 'bad_message' });
  assert.deepEqual(records, []);
});

test('[ST3] [ST4] any bytes at all give records or a documented refusal', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 10 }), (slices) => {
      const { reader } = reading({ text: 40, frame: 300 });
      try {
        for (const slice of slices) reader.push(slice);
      } catch (thrown) {
        assert.ok(thrown instanceof VesselError && ['bad_message', 'frame_too_large'].includes(thrown.code));
      }
    }),
    { numRuns: 300 },
  );
});
