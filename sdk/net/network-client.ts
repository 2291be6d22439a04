/**
 * One client of a relay: its presence socket and its place in the peer-to-peer network. A page has one, used for giving and for
 * asking alike; so do the SDK in Node and a Node provider.
 */

import type { PrivateKey } from '@libp2p/interface';
import type { Clock } from '../../shared/protocol/clock.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { NetworkTerms } from '../../shared/protocol/payment-types.ts';
import type {
  IceServer,
  NetworkView,
  PresenceClientMessage,
  PresenceRelayMessage,
} from '../../shared/protocol/presence-messages.ts';
import type { AskPorts, MatchedRoute, MatchRequest } from '../ask-ports.ts';
import type { DeviceKey } from './device-key.ts';
import { newPeerKey, PeerNode, peerOf } from './peer-node.ts';
import { PresenceSocket, type Welcome } from './presence-socket.ts';
import { relayMultiaddr } from './relay-address.ts';

export interface NetworkClientOptions {
  relayUrl: string;
  key: DeviceKey;
  clock: Clock;
  /** No peer learns this client's address: connections go over TURN, or through the relay where it has none. */
  hideAddress?: boolean;
  onState?: (state: 'connecting' | 'online' | 'offline', error?: VesselError) => void;
  /** Messages that are not answers to `match`. */
  onMessage?: (message: PresenceRelayMessage) => void;
  onWelcome?: (welcome: Welcome) => void;
  onView?: (view: NetworkView) => void;
}

/** A match may wait in the relay's queue for this long, and a little more. */
const matchDeadlineMs = 60_000;

export class NetworkClient implements AskPorts {
  readonly clock: Clock;
  readonly peer: string;
  readonly #socket: PresenceSocket;
  readonly #matches = new Map<number, { resolve: (route: MatchedRoute) => void; reject: (error: VesselError) => void }>();
  readonly #relayMessages = new Map<string, number>();
  #nextMatch = 0;
  #terms: NetworkTerms | null = null;
  #iceServers: readonly IceServer[] = [];
  #node: PeerNode | null = null;
  #isStopped = false;

  /** Resolves when the relay has welcomed this client and the peer node can be reached. Rejects with `relay_lost`. */
  static async connect(options: NetworkClientOptions, deadlineMs = 20_000): Promise<NetworkClient> {
    const privateKey = await newPeerKey();
    let client: NetworkClient | null = null;
    let cancel = () => {};
    try {
      return await new Promise<NetworkClient>((resolve, reject) => {
        let isReady = false;
        let lastError: VesselError | undefined;
        cancel = options.clock.after(deadlineMs, () => reject(lastError ?? noRelay(options.relayUrl)));
        client = new NetworkClient(options, privateKey, {
          onError: (error) => {
            lastError = error;
            if (!error.retry) reject(error);
          },
          onWelcome: (welcome) => {
            if (isReady) return;
            isReady = true;
            PeerNode.create({
              privateKey,
              relayAddress: relayMultiaddr(options.relayUrl, welcome.relayAddresses[0] ?? `/p2p/${welcome.relayPeer}`),
              iceServers: () => client!.#iceServers,
              hideAddress: options.hideAddress ?? false,
            }).then(
              (node) => {
                client!.#node = node;
                resolve(client!);
              },
              (thrown) => reject(toVesselError(thrown)),
            );
          },
        });
      });
    } catch (thrown) {
      await (client as NetworkClient | null)?.stop();
      throw thrown;
    } finally {
      cancel();
    }
  }

  private constructor(
    options: NetworkClientOptions,
    privateKey: PrivateKey,
    events: { onWelcome: (welcome: Welcome) => void; onError: (error: VesselError) => void },
  ) {
    this.clock = options.clock;
    this.peer = peerOf(privateKey);
    this.#socket = new PresenceSocket({
      relayUrl: options.relayUrl,
      key: options.key,
      peer: this.peer,
      signAsPeer: async (message) => privateKey.sign(message),
      clock: options.clock,
      onWelcome: (welcome) => {
        this.#terms = welcome.terms ?? null;
        this.#iceServers = welcome.iceServers;
        events.onWelcome(welcome);
        options.onWelcome?.(welcome);
      },
      onMessage: (message) => {
        if (message.type === 'route' || message.type === 'refused') this.#matched(message);
        else if (message.type === 'ice') this.#iceServers = message.iceServers;
        else if (message.type === 'network') options.onView?.(message.view);
        else options.onMessage?.(message);
      },
      onState: (state, error) => {
        if (error) events.onError(error);
        if (state === 'offline') this.#failMatches(error ?? new VesselError('relay_lost'));
        options.onState?.(state, error);
      },
    });
  }

  get node(): PeerNode {
    if (!this.#node) throw new VesselError('relay_lost', 'Not connected to the relay yet.');
    return this.#node;
  }

  get terms(): NetworkTerms | null {
    return this.#terms;
  }

  get isOnline(): boolean {
    return this.#socket.online;
  }

  send(message: PresenceClientMessage): boolean {
    return this.#socket.send(message);
  }

  match(request: MatchRequest, signal: AbortSignal): Promise<MatchedRoute> {
    const id = this.#nextMatch++;
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#matches.delete(id);
        cancel();
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = () => {
        settle();
        reject(new VesselError('cancelled'));
      };
      const cancel = this.clock.after(matchDeadlineMs, () => {
        settle();
        reject(new VesselError('deadline', 'The relay did not match the session in time.'));
      });
      this.#matches.set(id, {
        resolve: (route) => {
          settle();
          // The asker left while the relay was thinking: nobody will use the session. One that goes on is kept.
          if (signal.aborted) return request.again ? undefined : this.release(route.session);
          if (!request.again) this.#relayMessages.set(route.session, 0);
          resolve(route);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      signal.addEventListener('abort', onAbort, { once: true });
      const { model, tokens, avoid = [], again } = request;
      if (tokens > limits.maxContext) this.#matches.get(id)!.reject(new VesselError('context_exceeded'));
      else if (
        !this.send({
          type: 'match',
          id,
          model,
          tokens,
          avoid: avoid.slice(-64),
          ...(again ? { again: { ...again, kept: [...again.kept] } } : {}),
        })
      )
        this.#matches.get(id)!.reject(new VesselError('relay_lost'));
    });
  }

  release(session: string): void {
    this.#relayMessages.delete(session);
    this.send({ type: 'release', session });
  }

  openOrder(peer: string, handlers: Parameters<PeerNode['openOrder']>[1]) {
    return this.node.openOrder(peer, handlers);
  }

  /** Nothing that concerns a session passes the relay between its match and its release: messages that do are counted here. */
  relayMessages(session: string): number {
    return this.#relayMessages.get(session) ?? 0;
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#failMatches(new VesselError('relay_lost', 'The client was stopped.'));
    this.#socket.stop();
    await this.#node?.stop();
  }

  /** Cuts everything towards the relay and stays away: proves that running sessions do not need it. */
  async leaveRelay(): Promise<void> {
    this.#socket.stop();
    await this.node.leaveRelay();
  }

  #matched(message: Extract<PresenceRelayMessage, { type: 'route' | 'refused' }>): void {
    const waiting = this.#matches.get(message.id);
    if (message.type === 'refused') {
      waiting?.reject(new VesselError(message.code, message.message));
      return;
    }
    const { session, model, hops, shares } = message;
    if (waiting) waiting.resolve({ session, model, hops, shares });
    // The asker left while the relay was thinking: nobody will use the session, unless it goes on with other hops.
    else if (!this.#relayMessages.has(session)) this.release(session);
  }

  #failMatches(error: VesselError): void {
    for (const waiting of [...this.#matches.values()]) waiting.reject(error);
  }
}

function noRelay(url: string): VesselError {
  return new VesselError('relay_lost', `No relay answers at ${url}. Is the address right and the relay running?`);
}
