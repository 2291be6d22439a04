/**
 * A place in the peer-to-peer network: libp2p with the relay as meeting point and WebRTC for data. Orders and frames travel on
 * streams that stay open; opening one costs two round trips (design W1).
 */
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { type Identify, identify } from '@libp2p/identify';
import type { PrivateKey, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { type Ping, ping } from '@libp2p/ping';
import { webRTC } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';

import { VesselError } from '../../shared/protocol/errors.ts';
import type { FrameRefusal } from '../../shared/protocol/frame-refusal.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { IceServer } from '../../shared/protocol/presence-messages.ts';
import { frameProtocol, orderProtocol } from '../../shared/protocol/version.ts';
import { endWebRtc } from './end-webrtc.ts';
import { type FrameHandler, FrameLinks } from './frame-links.ts';
import { repairInitChannels } from './init-channel.ts';
import { type OrderHandlers, OrderLink } from './order-link.ts';
import { PeerDials, reason } from './peer-dials.ts';
import { retryDelayMs } from './retry-delay.ts';
import { rtcConfiguration, rtcReach } from './rtc-configuration.ts';

const relayDeadlineMs = 8000;
const streamDeadlineMs = 5000;
const streamTries = 3;
const pingDeadlineMs = 2000;
const maxMeasured = 200;

type PeerServices = { identify: Identify; ping: Ping } & Record<string, unknown>;

export interface PeerNodeOptions {
  privateKey: PrivateKey;
  /** Multiaddr of the relay's libp2p node with its peer id. */
  relayAddress: string;
  /** Asked at every connection: passwords of TURN servers end. */
  iceServers: () => readonly IceServer[];
  /** No peer learns this node's address: TURN or the relay's circuit only. */
  hideAddress?: boolean;
}

export function newPeerKey(): Promise<PrivateKey> {
  return generateKeyPair('Ed25519');
}

export function peerOf(privateKey: PrivateKey): string {
  return peerIdFromPrivateKey(privateKey).toString();
}

/** Streams run over the relay's circuit too, where there is no other way. */
const anyConnection = { runOnLimitedConnection: true };

/** Peer nodes of this process. */
let running = 0;

export class PeerNode {
  readonly self: string;
  readonly #libp2p: Libp2p<PeerServices>;
  readonly #relayAddress: string;
  readonly #frames: FrameLinks;
  readonly #measured = new Map<string, number | null>();
  readonly #dials: PeerDials;
  #stopped = false;
  #isRejoining = false;
  #hasEnded = false;

  static async create(options: PeerNodeOptions): Promise<PeerNode> {
    await repairInitChannels();
    const { iceServers, hideAddress = false } = options;
    const reach = rtcReach(iceServers(), hideAddress);
    const libp2p = await createLibp2p<PeerServices>({
      privateKey: options.privateKey,
      addresses: { listen: reach === 'none' ? ['/p2p-circuit'] : ['/p2p-circuit', '/webrtc'] },
      transports: [
        webSockets(),
        circuitRelayTransport(),
        // Without it a handshake is refused at once, and the other side takes the circuit.
        ...(reach === 'none'
          ? []
          : [
              webRTC({
                rtcConfiguration: () => rtcConfiguration(iceServers(), hideAddress),
                dataChannel: { maxMessageSize: limits.maxSliceBytes },
              }),
            ]),
      ],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ping: ping() },
      // The default gater of browsers refuses local addresses; where the relay is, is the page's own choice.
      connectionGater: { denyDialMultiaddr: () => false },
      connectionManager: { inboundConnectionThreshold: 100, dialTimeout: relayDeadlineMs },
    });
    running++;
    const node = new PeerNode(libp2p, options.relayAddress, reach !== 'none');
    try {
      await node.#joinRelay();
    } catch (thrown) {
      await node.stop();
      throw thrown;
    }
    return node;
  }

  private constructor(libp2p: Libp2p<PeerServices>, relayAddress: string, hasWebRtc: boolean) {
    this.#libp2p = libp2p;
    this.#relayAddress = relayAddress;
    this.self = libp2p.peerId.toString();
    this.#dials = new PeerDials({ libp2p, self: this.self, relayAddress, hasWebRtc: () => hasWebRtc });
    this.#frames = new FrameLinks((peer) => this.#openStream(peer, frameProtocol));
    const relayPeer = multiaddr(relayAddress)
      .getComponents()
      .findLast(({ name }) => name === 'p2p')?.value;
    libp2p.addEventListener('peer:disconnect', (event) => {
      const peer = event.detail.toString();
      if (peer === relayPeer) void this.#rejoin();
      else this.#frames.lost(peer);
    });
  }

  /** Serves orders: called for each stream an asker opens, with the link to answer on. */
  async serveOrders(accept: (link: OrderLink, peer: string) => OrderHandlers): Promise<void> {
    await this.#libp2p.handle(
      orderProtocol,
      (stream, connection) => {
        const peer = connection.remotePeer.toString();
        const link = new OrderLink(stream);
        link.listen(accept(link, peer));
      },
      anyConnection,
    );
  }

  /** Serves frames from other hops. */
  async serveFrames(handlers: {
    onFrame: FrameHandler;
    onRefusal: (peer: string, refusal: FrameRefusal) => void;
    onLost: (peer: string) => void;
  }): Promise<void> {
    this.#frames.onRefusal = handlers.onRefusal;
    this.#frames.onLost = handlers.onLost;
    await this.#libp2p.handle(
      frameProtocol,
      (stream, connection) => {
        this.#frames.serve(stream, connection.remotePeer.toString(), handlers.onFrame);
      },
      anyConnection,
    );
  }

  /** Makes sure of a frame link to `peer`, and measures its round trip for the relay's next route. */
  async connect(peer: string): Promise<void> {
    try {
      await this.#frames.link(peer);
    } catch (thrown) {
      this.#measured.set(peer, null);
      throw thrown;
    }
    // A route over the circuit is the planner's last choice, however near the relay is.
    if (this.#isRelayed(peer)) this.#measured.set(peer, null);
    else if (typeof this.#measured.get(peer) !== 'number') await this.#measure(peer);
  }

  /** Round trips in ms to peers this node has a link to; null for those that could not be reached, or only over the relay. */
  measuredLinks(): [string, number | null][] {
    return [...this.#measured];
  }

  /** A link that opens but does not echo is used all the same: the round trip is only advice. */
  async #measure(peer: string): Promise<void> {
    try {
      const ms = await this.#libp2p.services.ping.ping(peerIdFromString(peer), { signal: AbortSignal.timeout(pingDeadlineMs) });
      this.#measured.set(peer, ms);
    } catch {
      this.#measured.set(peer, pingDeadlineMs);
    }
    // Old measurements go first: peers come and go all day.
    if (this.#measured.size > maxMeasured) this.#measured.delete(this.#measured.keys().next().value!);
  }

  sendFrame(peer: string, frame: Uint8Array): Promise<void> {
    return this.#frames.send(peer, frame);
  }

  async openOrder(peer: string, handlers: OrderHandlers): Promise<OrderLink> {
    const link = new OrderLink(await this.#openStream(peer, orderProtocol));
    link.listen(handlers);
    return link;
  }

  /** How many of this node's open frame links run over the relay instead of directly. 0 in the normal case. */
  relayedLinks(): number {
    return this.#libp2p
      .getConnections()
      .filter((connection) => connection.limits !== undefined && connection.streams.some((s) => s.protocol === frameProtocol))
      .length;
  }

  #isRelayed(peer: string): boolean {
    return this.#libp2p
      .getConnections(peerIdFromString(peer))
      .some(({ limits, streams }) => limits !== undefined && streams.some(({ protocol }) => protocol === frameProtocol));
  }

  /** Cuts the connection to the relay and does not come back: used by tests that prove the relay is not needed any more. */
  async leaveRelay(): Promise<void> {
    this.#stopped = true;
    const relayPeer = multiaddr(this.#relayAddress)
      .getComponents()
      .findLast(({ name }) => name === 'p2p')?.value;
    if (relayPeer) await this.#libp2p.hangUp(peerIdFromString(relayPeer));
  }

  /** Takes no more orders and frames; running streams stay. */
  async stopServing(): Promise<void> {
    await this.#libp2p.unhandle([orderProtocol, frameProtocol]);
  }

  /** Ends the frame streams that others opened to this node: what served them is gone, and they would send into the void. */
  endFrames(): void {
    this.#frames.endServed();
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stopped = true;
    await this.#libp2p.stop();
    this.#dials.stop();
    running--;
    if (running === 0) await endWebRtc();
  }

  /** A connection that takes no stream is dead, whatever its status says: it is dropped and another one is made. */
  async #openStream(peer: string, protocol: string): Promise<Stream> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#dials.to(peer);
      try {
        return await connection.newStream(protocol, { ...anyConnection, signal: AbortSignal.timeout(streamDeadlineMs) });
      } catch (cause) {
        connection.abort(new Error('The connection takes no streams.'));
        if (attempt === streamTries) {
          throw new VesselError('provider_lost', `Provider ${peer.slice(-8)} takes no ${protocol} stream: ${reason(cause)}.`, {
            cause,
          });
        }
      }
    }
  }

  async #joinRelay(): Promise<void> {
    try {
      await this.#libp2p.dial(multiaddr(this.#relayAddress), { signal: AbortSignal.timeout(relayDeadlineMs) });
    } catch (cause) {
      throw new VesselError('relay_lost', 'The relay’s peer-to-peer port does not answer.', { cause });
    }
    await this.#reserved();
  }

  /** Without a reservation nobody can reach this node, and libp2p says nothing about it: wait for the address, or say so. */
  async #reserved(): Promise<void> {
    const deadline = Date.now() + relayDeadlineMs;
    while (!this.#libp2p.getMultiaddrs().some((address) => address.toString().includes('/p2p-circuit'))) {
      if (Date.now() > deadline) throw new VesselError('relay_lost', 'The relay has no reservation left for this tab.');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #rejoin(): Promise<void> {
    // A relay that takes the connection and loses it again is still the same absence.
    if (this.#isRejoining) return;
    this.#isRejoining = true;
    for (let tries = 0; !this.#stopped; tries++) {
      await new Promise((resolve) => setTimeout(resolve, retryDelayMs(tries)));
      if (this.#stopped) break;
      try {
        await this.#joinRelay();
        break;
      } catch {
        // It is not back yet, or has no room yet.
      }
    }
    this.#isRejoining = false;
  }
}
