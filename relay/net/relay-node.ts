/**
 * The relay's place in the peer-to-peer network: a WebSocket listener on loopback behind the HTTP port, circuit relay for
 * signalling and for pairs that connect in no other way, and the order streams of the relay's own HTTP askers over the connections tabs keep to it anyway.
 */
import { circuitRelayServer, RELAY_V2_HOP_CODEC, RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { PeerId, PrivateKey, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { peerIdFromString } from '@libp2p/peer-id';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2p } from 'libp2p';
import { type OrderHandlers, OrderLink } from '../../sdk/net/order-link.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { orderProtocol } from '../../shared/protocol/version.ts';
import { type CircuitLimits, circuitLimits } from '../reach/circuit-limits.ts';
import { CircuitTraffic } from '../reach/circuit-traffic.ts';

/** Tabs one relay process serves. libp2p's default of 300 connections and 15 reservations would end a classroom (facts). */
const maxPeers = 5000;
/** New connections per second from one address: a school or a load test stands behind one. */
const inboundPerSecond = 200;
/** Circuits of one connection, handshakes included: a burst of neighbours and askers. */
const maxCircuitsPerPeer = 64;
const streamDeadlineMs = 5000;

export interface RelayNodeOptions {
  privateKey: PrivateKey;
  /** What differs from `circuitLimits`. */
  circuits?: Partial<CircuitLimits>;
  /** Whether a peer may send more than signalling over circuits. */
  mayCarry: (peer: string) => boolean;
}

export class RelayNode {
  readonly self: string;
  /** Port of the loopback listener that the HTTP server forwards `/` upgrades to. */
  readonly port: number;
  readonly circuits: CircuitTraffic;
  readonly #libp2p: Libp2p;

  static async create({ privateKey, circuits, mayCarry }: RelayNodeOptions): Promise<RelayNode> {
    const limits = { ...circuitLimits, ...circuits };
    const traffic = new CircuitTraffic({ limits, now: () => performance.now(), mayCarry });
    const seen = new WeakSet<Stream>();
    const meter = (stream: Stream, peer: PeerId): void => {
      if (seen.has(stream)) return;
      seen.add(stream);
      const way = traffic.open(peer.toString());
      stream.addEventListener('message', ({ data }) => {
        const why = way.carry(data.byteLength);
        if (why) stream.abort(new Error(why));
      });
      stream.addEventListener('close', () => way.close());
    };
    const libp2p: Libp2p = await createLibp2p({
      privateKey,
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
      transports: [webSockets()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        relay: circuitRelayServer({
          maxInboundHopStreams: maxCircuitsPerPeer,
          reservations: {
            maxReservations: maxPeers,
            defaultDataLimit: BigInt(limits.circuitBytes),
            defaultDurationLimit: limits.circuitMs,
          },
        }),
      },
      connectionGater: {
        // Asked once per circuit, before it opens. The stream of who asks is there already and can be metered now: libp2p's middleware
        // for incoming streams runs their handler once more with every stream (3.3.11).
        denyOutboundRelayedConnection: (source) => {
          for (const { streams } of libp2p.getConnections(source)) {
            for (const stream of streams) if (stream.protocol === RELAY_V2_HOP_CODEC) meter(stream, source);
          }
          return false;
        },
      },
      connectionManager: {
        maxConnections: maxPeers,
        inboundConnectionThreshold: inboundPerSecond,
        maxIncomingPendingConnections: inboundPerSecond,
      },
    });
    // The other direction of the same circuits.
    libp2p.use(RELAY_V2_STOP_CODEC, (stream, connection, next) => {
      meter(stream, connection.remotePeer);
      next(stream, connection);
    });
    return new RelayNode(libp2p, traffic);
  }

  private constructor(libp2p: Libp2p, circuits: CircuitTraffic) {
    this.#libp2p = libp2p;
    this.circuits = circuits;
    this.self = libp2p.peerId.toString();
    this.port = Number(
      libp2p
        .getMultiaddrs()[0]
        ?.getComponents()
        .find(({ name }) => name === 'tcp')?.value,
    );
  }

  /** An order stream over the connection the provider keeps to the relay. */
  async openOrder(peer: string, handlers: OrderHandlers): Promise<OrderLink> {
    const connection = this.#libp2p.getConnections(peerIdFromString(peer)).find(({ status }) => status === 'open');
    if (!connection) throw new VesselError('provider_lost', 'The provider has no connection to the relay.');
    try {
      const link = new OrderLink(await connection.newStream(orderProtocol, { signal: AbortSignal.timeout(streamDeadlineMs) }));
      link.listen(handlers);
      return link;
    } catch (cause) {
      throw new VesselError('provider_lost', 'The provider does not answer.', { cause });
    }
  }

  async stop(): Promise<void> {
    await this.#libp2p.stop();
  }
}
