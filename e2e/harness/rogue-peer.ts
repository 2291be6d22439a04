/** A peer with libp2p in its hands and no manners: dials providers of a network and writes bytes of its own to their streams. */
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { webRTC } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';
import { endWebRtc } from '../../sdk/net/end-webrtc.ts';
import { repairInitChannels } from '../../sdk/net/init-channel.ts';
import { relayMultiaddr } from '../../sdk/net/relay-address.ts';
import { encodeRecord, type RecordKind, RecordReader } from '../../shared/protocol/record-reader.ts';

const dialDeadlineMs = 20_000;
const streamDeadlineMs = 5000;
const tries = 4;
const anyLength = 2 ** 31;

export class RoguePeer {
  readonly #libp2p: Libp2p;
  readonly #relay: string;

  /** `relayPeer`: the peer id in the relay's welcome. */
  static async join(url: string, relayPeer: string): Promise<RoguePeer> {
    await repairInitChannels();
    const libp2p = await createLibp2p({
      privateKey: await generateKeyPair('Ed25519'),
      transports: [webSockets(), circuitRelayTransport(), webRTC({ rtcConfiguration: { iceServers: [] } })],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() },
      connectionGater: { denyDialMultiaddr: () => false },
    });
    return new RoguePeer(libp2p, relayMultiaddr(url, `/p2p/${relayPeer}`));
  }

  private constructor(libp2p: Libp2p, relay: string) {
    this.#libp2p = libp2p;
    this.#relay = relay;
  }

  get self(): string {
    return this.#libp2p.peerId.toString();
  }

  /** A stream to a provider over WebRTC. */
  async open(provider: string, protocol: string): Promise<RogueStream> {
    const address = multiaddr(`${this.#relay}/p2p-circuit/webrtc/p2p/${provider}`);
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#libp2p.dial(address, { signal: AbortSignal.timeout(dialDeadlineMs) });
      try {
        return new RogueStream(await connection.newStream(protocol, { signal: AbortSignal.timeout(streamDeadlineMs) }));
      } catch (thrown) {
        // A connection that takes no stream is dead, whatever its status says.
        connection.abort(new Error('No stream.'));
        if (attempt === tries) throw thrown;
      }
    }
  }

  async leave(): Promise<void> {
    await this.#libp2p.stop();
    await endWebRtc();
  }
}

export class RogueStream {
  /** Bodies of records that came back, as JSON. */
  readonly heard: { type?: string; session?: string; code?: string }[] = [];
  isEnded = false;
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
    const reader = new RecordReader({ text: anyLength, refusal: anyLength }, (_kind, body) =>
      this.heard.push(JSON.parse(new TextDecoder().decode(body))),
    );
    stream.addEventListener('message', ({ data }) => reader.push(data.subarray()));
    for (const type of ['close', 'remoteCloseWrite'] as const) {
      stream.addEventListener(type, () => {
        this.isEnded = true;
      });
    }
  }

  /** Bytes as they are. What the other side no longer wants is lost. */
  async raw(bytes: Uint8Array): Promise<void> {
    try {
      if (!this.#stream.send(bytes)) await this.#stream.onDrain({ signal: AbortSignal.timeout(dialDeadlineMs) });
    } catch {
      this.isEnded = true;
    }
  }

  record(kind: RecordKind, body: Uint8Array | object): Promise<void> {
    return this.raw(encodeRecord(kind, body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body))));
  }
}
