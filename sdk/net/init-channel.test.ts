import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tellLateListeners } from './init-channel.ts';

class FakeChannel extends EventTarget {
  readyState: RTCDataChannelState = 'connecting';
}

function createChannel(label: string): FakeChannel {
  const channel = new FakeChannel();
  const prototype = { createDataChannel: () => channel as unknown as RTCDataChannel };
  tellLateListeners(prototype);
  return prototype.createDataChannel.call(prototype, ...([label] as unknown as [])) as unknown as FakeChannel;
}

async function heard(channel: FakeChannel, type: string): Promise<number> {
  let count = 0;
  channel.addEventListener(type, () => count++);
  await Promise.resolve();
  return count;
}

test('who waits for an init channel to open or close after it has closed is told', async () => {
  const channel = createChannel('init');
  channel.readyState = 'closed';
  assert.equal(await heard(channel, 'open'), 1);
  assert.equal(await heard(channel, 'close'), 1);
});

test('who comes in time hears the channel itself, once', async () => {
  const channel = createChannel('init');
  assert.equal(await heard(channel, 'open'), 0);
  assert.equal(await heard(channel, 'close'), 0);
  let opened = 0;
  channel.addEventListener('open', () => opened++);
  channel.readyState = 'open';
  channel.dispatchEvent(new Event('open'));
  assert.equal(opened, 1);
  channel.readyState = 'closing';
  assert.equal(await heard(channel, 'close'), 0, 'the close is still to come');
});

test('other channels are left alone', async () => {
  const channel = createChannel('');
  channel.readyState = 'closed';
  assert.equal(await heard(channel, 'close'), 0);
});
