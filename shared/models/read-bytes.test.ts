import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VesselError } from '../protocol/errors.ts';
import { readBytes } from './read-bytes.ts';

test('a body comes whole, however it is cut', async () => {
  const parts = [[1, 2], [], [3]];
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(Uint8Array.from(part));
      controller.close();
    },
  });
  assert.deepEqual(await readBytes(new Response(body), 3), Uint8Array.of(1, 2, 3));
  assert.deepEqual(await readBytes(new Response(null), 3), new Uint8Array(0));
});

test('a body without an end is refused, and no more of it is read', async () => {
  let sent = 0;
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1000;
      controller.enqueue(new Uint8Array(1000));
    },
    cancel() {
      isCancelled = true;
    },
  });
  await assert.rejects(readBytes(new Response(body), 5000), (error: VesselError) => error.code === 'bad_blob');
  assert.ok(sent <= 8000 && isCancelled);
});
