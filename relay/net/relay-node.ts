/**
 * The relay's place in the peer-to-peer network: a WebSocket listener on loopback behind the HTTP port, circuit relay for
 * signalling, and the order streams of the relay's own HTTP askers over the connections tabs keep to it anyway.
 */
import { circuitRelayServer } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import type { PrivateKey } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { peerIdFromString } from '@libp2p/peer-id';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2p } from 'libp2p';
import { type OrderHandlers, OrderLink } from '../../sdk/net/order-link.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { orderProtocol } from '../../shared/protocol/version.ts';

/** Tabs one relay process serves. libp2p's default of 300 connections and 15 reservations would end a classroom (facts). */
const maxPeers = 5000;
/** New connections per second from one address: a school or a load test stands behind one. */
const inboundPerSecond = 200;
const streamDeadlineMs = 5000;

export class RelayNode {
  readonly self: string;
  /** Port of the loopback listener that the HTTP server forwards `/` upgrades to. */
  readonly port: number;
  readonly #libp2p: Libp2p;

  static async create(privateKey: PrivateKey): Promise<RelayNode> {
    const libp2p = await createLibp2p({
      privateKey,
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
      transports: [webSockets()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        // Circuits carry signalling only: a few kB per pair. Activations over them are refused by the default limits on purpose.
        relay: circuitRelayServer({ reservations: { maxReservations: maxPeers } }),
      },
      connectionManager: {
        maxConnections: maxPeers,
        inboundConnectionThreshold: inboundPerSecond,
        maxIncomingPendingConnections: inboundPerSecond,
      },
    });
    return new RelayNode(libp2p);
  }

  private constructor(libp2p: Libp2p) {
    this.#libp2p = libp2p;
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
