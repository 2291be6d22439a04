/**
 * A place in the peer-to-peer network: libp2p with the relay as meeting point and WebRTC for data. Orders and frames travel on
 * streams that stay open; opening one costs two round trips (design W1).
 */
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { type Identify, identify } from '@libp2p/identify';
import type { Connection, PrivateKey, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { type Ping, ping } from '@libp2p/ping';
import { webRTC } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';

import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import type { FrameRefusal } from '../../shared/protocol/frame-refusal.ts';
import { limits } from '../../shared/protocol/limits.ts';
import { frameProtocol, orderProtocol } from '../../shared/protocol/version.ts';
import { endWebRtc } from './end-webrtc.ts';
import { type FrameHandler, FrameLinks } from './frame-links.ts';
import { repairInitChannels } from './init-channel.ts';
import { type OrderHandlers, OrderLink } from './order-link.ts';

const dialDeadlineMs = 8000;
/**
 * A dial takes 0.15 s on one machine and 0.6 s over WAN, but among tabs that dial each other all at once a signalling exchange now and
 * then hangs; repeated, it succeeds at once. libp2p ends a hung one after 6 s.
 */
const dialTries = 3;
/** Longer than a dial takes on one machine, shorter than anyone minds: links are made before they are needed. */
const courtesyMs = 700;
const streamDeadlineMs = 5000;
const streamTries = 3;
const relayRetryMs = 1000;
const pingDeadlineMs = 2000;
const maxMeasured = 200;

type PeerServices = { identify: Identify; ping: Ping } & Record<string, unknown>;

export interface PeerNodeOptions {
  privateKey: PrivateKey;
  /** Multiaddr of the relay's libp2p node with its peer id. */
  relayAddress: string;
  iceServers: RTCIceServer[];
}

export function newPeerKey(): Promise<PrivateKey> {
  return generateKeyPair('Ed25519');
}

export function peerOf(privateKey: PrivateKey): string {
  return peerIdFromPrivateKey(privateKey).toString();
}

/** Peer nodes of this process. */
let running = 0;

export class PeerNode {
  readonly self: string;
  readonly #libp2p: Libp2p<PeerServices>;
  readonly #relayAddress: string;
  readonly #frames: FrameLinks;
  readonly #measured = new Map<string, number | null>();
  readonly #dialling = new Map<string, Promise<Connection>>();
  #stopped = false;
  #hasEnded = false;

  static async create(options: PeerNodeOptions): Promise<PeerNode> {
    await repairInitChannels();
    const libp2p = await createLibp2p<PeerServices>({
      privateKey: options.privateKey,
      addresses: { listen: ['/p2p-circuit', '/webrtc'] },
      transports: [
        webSockets(),
        circuitRelayTransport(),
        webRTC({
          rtcConfiguration: { iceServers: options.iceServers },
          dataChannel: { maxMessageSize: limits.maxSliceBytes },
        }),
      ],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ping: ping() },
      // The default gater of browsers refuses local addresses; where the relay is, is the page's own choice.
      connectionGater: { denyDialMultiaddr: () => false },
      connectionManager: { inboundConnectionThreshold: 100, dialTimeout: dialDeadlineMs },
    });
    running++;
    const node = new PeerNode(libp2p, options.relayAddress);
    try {
      await node.#joinRelay();
    } catch (thrown) {
      await node.stop();
      throw thrown;
    }
    return node;
  }

  private constructor(libp2p: Libp2p<PeerServices>, relayAddress: string) {
    this.#libp2p = libp2p;
    this.#relayAddress = relayAddress;
    this.self = libp2p.peerId.toString();
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
    await this.#libp2p.handle(orderProtocol, (stream, connection) => {
      const peer = connection.remotePeer.toString();
      const link = new OrderLink(stream);
      link.listen(accept(link, peer));
    });
  }

  /** Serves frames from other hops. */
  async serveFrames(handlers: {
    onFrame: FrameHandler;
    onRefusal: (peer: string, refusal: FrameRefusal) => void;
    onLost: (peer: string) => void;
  }): Promise<void> {
    this.#frames.onRefusal = handlers.onRefusal;
    this.#frames.onLost = handlers.onLost;
    await this.#libp2p.handle(frameProtocol, (stream, connection) => {
      this.#frames.serve(stream, connection.remotePeer.toString(), handlers.onFrame);
    });
  }

  /** Makes sure of a frame link to `peer`, and measures its round trip for the relay's next route. */
  async connect(peer: string): Promise<void> {
    try {
      await this.#frames.link(peer);
    } catch (thrown) {
      this.#measured.set(peer, null);
      throw thrown;
    }
    if (typeof this.#measured.get(peer) !== 'number') await this.#measure(peer);
  }

  /** Round trips in ms to peers this node has a link to; null for those that could not be reached. */
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
    running--;
    if (running === 0) await endWebRtc();
  }

  /** One dial per peer at a time; an existing direct connection is used as it is. */
  #connection(peer: string): Promise<Connection> {
    const existing = this.#direct(peer);
    if (existing) return Promise.resolve(existing);
    let dial = this.#dialling.get(peer);
    if (!dial) {
      dial = this.#dial(peer).finally(() => this.#dialling.delete(peer));
      this.#dialling.set(peer, dial);
    }
    return dial;
  }

  /** A connection that takes no stream is dead, whatever its status says: it is dropped and another one is made. */
  async #openStream(peer: string, protocol: string): Promise<Stream> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#connection(peer);
      try {
        return await connection.newStream(protocol, { signal: AbortSignal.timeout(streamDeadlineMs) });
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

  #direct(peer: string): Connection | undefined {
    return this.#libp2p
      .getConnections(peerIdFromString(peer))
      .find((connection) => connection.status === 'open' && connection.limits === undefined);
  }

  /**
   * The first and last hop of a route of two dial each other at the same moment. Such crossing dials can both hang, so whichever
   * connection opens first is taken, ours or theirs.
   */
  async #dial(peer: string): Promise<Connection> {
    const address = multiaddr(`${this.#relayAddress}/p2p-circuit/webrtc/p2p/${peer}`);
    let stopListening = () => {};
    const theirs = new Promise<Connection>((resolve) => {
      const onOpen = () => {
        const connection = this.#direct(peer);
        if (connection) resolve(connection);
      };
      this.#libp2p.addEventListener('connection:open', onOpen);
      stopListening = () => this.#libp2p.removeEventListener('connection:open', onOpen);
    });
    try {
      const given = await Promise.race([theirs, this.#courtesy(peer)]);
      if (given) return given;
      for (let attempt = 1; ; attempt++) {
        // `force`: libp2p would close its own connection where the other side's came first, and so would the other side: none is left.
        // A dial that lost the race is left to its deadline: aborting it could close the connection that won.
        const ours = this.#libp2p.dial(address, { force: true, signal: AbortSignal.timeout(dialDeadlineMs) });
        ours.catch(() => undefined);
        try {
          return await Promise.race([ours, theirs]);
        } catch (cause) {
          const connection = this.#direct(peer);
          if (connection) return connection;
          if (attempt === dialTries) {
            throw new VesselError(
              'provider_lost',
              `No connection to provider ${peer.slice(-8)} could be made: ${reason(cause)}.`,
              { cause },
            );
          }
        }
      }
    } finally {
      stopListening();
    }
  }

  /** Dials that cross on the relay's circuit can both hang: of two peers, the one with the higher id lets the other try first. */
  #courtesy(peer: string): Promise<null> {
    return new Promise((resolve) => setTimeout(resolve, this.self > peer ? courtesyMs : 0, null));
  }

  async #joinRelay(): Promise<void> {
    try {
      await this.#libp2p.dial(multiaddr(this.#relayAddress), { signal: AbortSignal.timeout(dialDeadlineMs) });
    } catch (cause) {
      throw new VesselError('relay_lost', 'The relay’s peer-to-peer port does not answer.', { cause });
    }
    await this.#reserved();
  }

  /** Without a reservation nobody can reach this node, and libp2p says nothing about it: wait for the address, or say so. */
  async #reserved(): Promise<void> {
    const deadline = Date.now() + dialDeadlineMs;
    while (!this.#libp2p.getMultiaddrs().some((address) => address.toString().includes('/webrtc'))) {
      if (Date.now() > deadline) throw new VesselError('relay_lost', 'The relay has no reservation left for this tab.');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #rejoin(): Promise<void> {
    while (!this.#stopped) {
      await new Promise((resolve) => setTimeout(resolve, relayRetryMs * (0.5 + Math.random())));
      if (this.#stopped) return;
      try {
        return await this.#joinRelay();
      } catch (thrown) {
        toVesselError(thrown);
      }
    }
  }
}

/** libp2p gathers the failures of several addresses in one error: the first one tells most. */
function reason(cause: unknown): string {
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  return first instanceof Error ? first.message : String(first);
}
