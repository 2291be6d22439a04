/**
 * libp2p's WebRTC dialler opens a data channel called "init", waits for its `open`, closes it and waits for its `close`. The other
 * side closes it as soon as it sees it. On a busy page both may have happened before the dialler looks, so it waits for an event that
 * has been, until its deadline: a healthy connection is thrown away, and repeating the dial meets the same luck. Here such a channel
 * tells those who come late.
 *
 * Seen in @libp2p/webrtc 6.0.33: one dial in three among eight tabs that dial at once. Delete this file when the dialler looks at
 * `readyState` before it waits.
 */

type PeerConnection = Pick<RTCPeerConnection, 'createDataChannel'>;
type Channel = Pick<RTCDataChannel, 'readyState'> & EventTarget;

const initLabel = 'init';
let repair: Promise<void> | null = null;

/** Once per page or process, before the first dial. */
export function repairInitChannels(): Promise<void> {
  repair ??= (async () => {
    const prototype = await peerConnectionPrototype();
    if (prototype) tellLateListeners(prototype);
  })();
  return repair;
}

async function peerConnectionPrototype(): Promise<PeerConnection | null> {
  if ('RTCPeerConnection' in globalThis) return RTCPeerConnection.prototype;
  // A name in a variable: bundlers for browsers must not look for the native module.
  const library = 'node-datachannel/polyfill';
  const loaded = (await import(library).catch(() => null)) as { RTCPeerConnection: { prototype: PeerConnection } } | null;
  return loaded?.RTCPeerConnection.prototype ?? null;
}

/** Exported for its test. */
export function tellLateListeners(prototype: PeerConnection): void {
  const create = prototype.createDataChannel;
  prototype.createDataChannel = function (this: RTCPeerConnection, label: string, init?: RTCDataChannelInit) {
    const channel = create.call(this, label, init);
    if (label === initLabel) repeatPastEvents(channel);
    return channel;
  };
}

function repeatPastEvents(channel: Channel): void {
  const add = channel.addEventListener;
  channel.addEventListener = (...args: Parameters<EventTarget['addEventListener']>) => {
    add.apply(channel, args);
    const [type] = args;
    const isPast = () =>
      type === 'open'
        ? channel.readyState === 'closing' || channel.readyState === 'closed'
        : type === 'close' && channel.readyState === 'closed';
    // Not at once: who listens does not expect to be called while it still sets things up.
    if (isPast()) queueMicrotask(() => channel.dispatchEvent(new Event(type)));
  };
}
