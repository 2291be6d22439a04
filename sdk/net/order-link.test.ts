import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../shared/protocol/limits.ts';
import { encodeRecord } from '../../shared/protocol/record-reader.ts';
import { FakeStream } from '../../testing/fake-stream.ts';
import { FrameLinks } from './frame-links.ts';
import { OrderLink } from './order-link.ts';

const text = (value: object | string) => {
  return encodeRecord('text', new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)));
};
const run = { type: 'service-run', session: '0'.repeat(32), run: 0, order: {}, bytes: 3 };

function listening() {
  const stream = new FakeStream();
  const got: [string, number[] | undefined][] = [];
  let closed = 0;
  new OrderLink(stream.asStream()).listen({
    onMessage: (message, attachment) => {
      if (message === 'throw') throw new Error('no message at all');
      got.push([message, attachment && [...attachment]]);
    },
    onClose: () => closed++,
  });
  return { stream, got, closed: () => closed };
}

test('[ST6] bytes belong to the service-run before them', () => {
  const { stream, got } = listening();
  stream.arrive(text('"a"'));
  stream.arrive(text(run));
  stream.arrive(encodeRecord('bytes', Uint8Array.of(1, 2, 3)));
  stream.arrive(text('"b"'));
  assert.deepEqual(got, [
    ['"a"', undefined],
    [JSON.stringify(run), [1, 2, 3]],
    ['"b"', undefined],
  ]);
  assert.equal(stream.aborted, null);
});

const broken: [why: string, records: Uint8Array[]][] = [
  ['bytes that nobody announced', [encodeRecord('bytes', Uint8Array.of(1))]],
  ['a message where announced bytes should be', [text(run), text('"b"')]],
  ['a frame', [encodeRecord('frame', Uint8Array.of(1))]],
  ['text that is not UTF-8', [encodeRecord('text', Uint8Array.of(0xff))]],
  ['a message its reader cannot take', [text('throw')]],
];
for (const [why, records] of broken) {
  test(`[ST6] [ST3] ${why} ends an order stream`, () => {
    const { stream, got, closed } = listening();
    for (const record of records) stream.arrive(record);
    assert.notEqual(stream.aborted, null);
    assert.equal(closed(), 1);
    assert.deepEqual(got, []);
  });
}

test('[ST6] [ST4] text and bytes have their own limits on an order stream', () => {
  for (const [kind, max] of [
    [0, limits.maxMessageBytes],
    [1, limits.maxServiceBytes],
  ] as const) {
    const { stream } = listening();
    const head = new Uint8Array(5);
    new DataView(head.buffer).setUint32(0, max + 1, true);
    head[4] = kind;
    stream.arrive(head);
    assert.notEqual(stream.aborted, null);
  }
});

test('[ST7] frames go one way on a frame stream and refusals come back on it; anything else ends it', async () => {
  const [here, there] = [new FakeStream(), new FakeStream()];
  here.pipeTo(there);
  there.pipeTo(here);
  const links = new FrameLinks(async () => here.asStream());
  const refusals: [string, object][] = [];
  const lost: string[] = [];
  links.onRefusal = (peer, refusal) => refusals.push([peer, refusal]);
  links.onLost = (peer) => lost.push(peer);
  const frames: number[][] = [];
  new FrameLinks(() => Promise.reject(new Error('not used'))).serve(there.asStream(), 'me', (_peer, frame, refuse) => {
    frames.push([...frame]);
    refuse({ session: '', code: 'bad_message' });
  });
  await links.send('you', Uint8Array.of(4, 5));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(frames, [[4, 5]]);
  assert.deepEqual(refusals, [['you', { session: '', code: 'bad_message' }]]);
  here.arrive(encodeRecord('refusal', new TextEncoder().encode('{"session":"","code":"made-up"}')));
  assert.deepEqual(lost, ['you']);
  there.arrive(text('"hello"'));
  assert.notEqual(there.aborted, null);
});
