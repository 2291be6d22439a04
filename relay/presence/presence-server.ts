/**
 * The presence WebSocket: challenge, hello, then messages. A client that breaks the protocol is told why and loses its own
 * connection, nothing else (SPEC PR1–PR17).
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { fromBase64url } from '../../sdk/net/base64url.ts';
import { accountOf, verifySignature } from '../../sdk/net/device-key.ts';
import { verifyPeerSignature } from '../../sdk/net/peer-signature.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import {
  helloText,
  type IceServer,
  type PresenceClientMessage,
  type PresenceRelayMessage,
  presenceClientSchema,
} from '../../shared/protocol/presence-messages.ts';
import { stringifyMessage } from '../../shared/protocol/stringify-message.ts';
import { protocolVersion } from '../../shared/protocol/version.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Coordinator } from '../coordinator.ts';

type OfferMessage = Extract<PresenceClientMessage, { type: 'offer' }>;

const helloDeadlineMs = 10_000;
/** Presence messages are small; only `match` lists peers. */
const maxPresenceBytes = 64 * 1024;
/** Heartbeats are one a second; asks come in bursts. */
const messagesPerSecond = 50;
/** Tabs behind one address: a classroom, or this machine's own tests. */
const maxPerAddress = 500;
const maxUnsentBytes = 4 * 1024 * 1024;

export interface PresenceServerOptions {
  coordinator: Coordinator;
  /** The relay's libp2p peer id. */
  relayPeer: string;
  relayAddresses: () => string[];
  /** STUN and TURN for this peer. */
  iceServers: (peer: string) => IceServer[];
  now: () => number;
  /** A hop hands in what it has earned by vouchers. Its signatures are not checked here. */
  onEarned?: (earned: EarnedMessage, account: Address) => void;
}

export type EarnedMessage = Extract<PresenceClientMessage, { type: 'earned' }>;

export class PresenceServer {
  readonly #options: PresenceServerOptions;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: maxPresenceBytes, perMessageDeflate: false });
  readonly #connections = new Set<PresenceConnection>();
  readonly #perAddress = new Map<string, number>();
  /** Connections by peer id: the newest one counts. */
  readonly #byPeer = new Map<string, PresenceConnection>();
  #messages = 0;

  constructor(options: PresenceServerOptions) {
    this.#options = options;
  }

  /** Messages in and out that concerned a session after it was matched, for `/metrics`. */
  get messages(): number {
    return this.#messages;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Whether a peer has said hello and is connected. */
  has(peer: string): boolean {
    return this.#byPeer.has(peer);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const address = request.socket.remoteAddress ?? '';
    const open = this.#perAddress.get(address) ?? 0;
    if (open >= maxPerAddress) {
      socket.end('HTTP/1.1 429 Too Many Requests\r\nRetry-After: 10\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#perAddress.set(address, open + 1);
      const connection = new PresenceConnection(webSocket, this.#options, {
        onHello: (peer) => {
          this.#byPeer.get(peer)?.replaced();
          this.#byPeer.set(peer, connection);
        },
        onMessage: () => this.#messages++,
        onClosed: () => {
          this.#connections.delete(connection);
          const left = (this.#perAddress.get(address) ?? 1) - 1;
          if (left > 0) this.#perAddress.set(address, left);
          else this.#perAddress.delete(address);
          if (connection.peer && this.#byPeer.get(connection.peer) === connection) this.#byPeer.delete(connection.peer);
        },
      });
      this.#connections.add(connection);
    });
  }

  /** Sends the picture of the network to those who watch it. */
  broadcastView(): void {
    let view: PresenceRelayMessage | null = null;
    for (const connection of this.#connections) {
      if (!connection.isWatching) continue;
      view ??= { type: 'network', view: this.#options.coordinator.view() };
      connection.send(view);
    }
  }

  /** Fresh TURN passwords for everyone. Call it well before those that were handed out end. */
  renewIceServers(): void {
    for (const [peer, connection] of this.#byPeer) {
      connection.send({ type: 'ice', iceServers: this.#options.iceServers(peer) });
    }
  }

  /** The peer at this address told us nothing for too long, or the relay stops. */
  close(): void {
    for (const connection of [...this.#connections]) connection.close();
    this.#server.close();
  }
}

class PresenceConnection {
  readonly #socket: WebSocket;
  readonly #options: PresenceServerOptions;
  readonly #events: { onHello: (peer: string) => void; onMessage: () => void; onClosed: () => void };
  readonly #nonce = randomBytes(24).toString('base64url');
  readonly #abort = new AbortController();
  readonly #helloTimer: NodeJS.Timeout;
  #account: Address = '0x';
  /** What this client offers; null: nothing. */
  #offered: OfferMessage | null = null;
  /** Asks of this client that wait for a route. */
  #matching = 0;
  #tail: Promise<void> = Promise.resolve();
  #allowance = messagesPerSecond;
  #allowanceAtMs: number;
  peer: string | null = null;
  isWatching = false;

  constructor(
    socket: WebSocket,
    options: PresenceServerOptions,
    events: { onHello: (peer: string) => void; onMessage: () => void; onClosed: () => void },
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#events = events;
    this.#allowanceAtMs = options.now();
    this.#helloTimer = setTimeout(() => this.end(new VesselError('deadline', 'No hello came.')), helloDeadlineMs);
    socket.on('message', (data, isBinary) => {
      // Messages of one client are handled in their order, although some of them wait.
      this.#tail = this.#tail
        .then(() => this.#receive(String(data), isBinary))
        .catch((thrown) => this.end(toVesselError(thrown)));
    });
    socket.on('close', () => this.#closed());
    socket.on('error', () => socket.terminate());
    this.send({ type: 'challenge', version: protocolVersion, nonce: this.#nonce });
  }

  send(message: PresenceRelayMessage): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    // A client that does not read must not fill our memory.
    if (this.#socket.bufferedAmount > maxUnsentBytes) this.#socket.terminate();
    else this.#socket.send(stringifyMessage(message));
  }

  /** Tells the client why and closes. */
  end(error: VesselError): void {
    this.send({ type: 'error', code: error.code, message: error.message.slice(0, 1000) });
    this.#socket.close(1008, error.code);
  }

  /** The same peer is here again: what this connection stood for goes now, not when its socket has closed, or it would take the new one along. */
  replaced(): void {
    this.#withdraw();
    this.#abort.abort();
    this.peer = null;
    this.end(new VesselError('forbidden', 'This peer connected again.'));
  }

  close(): void {
    this.#socket.close(1001);
    setTimeout(() => this.#socket.terminate(), 500).unref();
  }

  async #receive(text: string, isBinary: boolean): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#spend();
    if (isBinary) throw new VesselError('bad_message', 'Presence messages are text.');
    const message = parseMessage(presenceClientSchema, text);
    if (message.type === 'hello') return this.#hello(message);
    if (this.peer === null) throw new VesselError('unauthorized', 'Say hello first.');
    switch (message.type) {
      case 'offer':
        this.#offered = message;
        this.#offer(this.peer, message);
        return;
      case 'withdraw':
        this.#withdraw();
        return;
      case 'heartbeat':
        if (!this.#offered) return;
        // A tab whose machine was too busy to beat is forgotten, but its connection still stands: it takes part again at once.
        if (!this.#options.coordinator.has(this.peer)) this.#offer(this.peer, this.#offered);
        this.#options.coordinator.heartbeat(this.peer, message);
        return;
      case 'match':
        // Matching may wait for a free slot: other messages of this client go on meanwhile.
        void this.#match(message);
        return;
      case 'earned':
        this.#options.onEarned?.(message, this.#account);
        return;
      case 'release':
        this.#events.onMessage();
        this.#options.coordinator.release(message.session, this.peer);
        return;
      case 'watch':
        this.isWatching = message.on;
        if (message.on) this.send({ type: 'network', view: this.#options.coordinator.view() });
        return;
      default:
        message satisfies never;
    }
  }

  async #hello(message: Extract<PresenceClientMessage, { type: 'hello' }>): Promise<void> {
    if (this.peer !== null) throw new VesselError('bad_message', 'Hello comes once.');
    if (message.version !== protocolVersion) throw new VesselError('version_mismatch');
    const key = fromBase64url(message.key);
    const signature = fromBase64url(message.signature);
    const peerSignature = fromBase64url(message.peerSignature);
    const text = new TextEncoder().encode(helloText(this.#nonce, message.peer));
    if (!key || !signature || !(await verifySignature(key, text, signature))) {
      throw new VesselError('unauthorized', 'The hello is not signed by its device key.');
    }
    if (!peerSignature || !(await verifyPeerSignature(message.peer, text, peerSignature))) {
      throw new VesselError('unauthorized', 'The hello is not signed by the key of its peer id.');
    }
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    clearTimeout(this.#helloTimer);
    this.#account = accountOf(key);
    this.#events.onHello(message.peer);
    this.peer = message.peer;
    this.#options.coordinator.askerOnline(message.peer, true);
    const { terms } = this.#options.coordinator;
    this.send({
      type: 'welcome',
      account: this.#account,
      ...(terms ? { terms } : {}),
      relayPeer: this.#options.relayPeer,
      relayAddresses: this.#options.relayAddresses(),
      iceServers: this.#options.iceServers(message.peer),
    });
  }

  async #match(message: Extract<PresenceClientMessage, { type: 'match' }>): Promise<void> {
    this.#matching++;
    try {
      if (this.#matching > limits.maxSessionsPerAsker) {
        throw new VesselError('rate_limited', 'You have too many asks waiting. Wait for one to be matched.');
      }
      const route = await this.#options.coordinator.match({
        model: message.model,
        tokens: message.tokens,
        asker: this.peer!,
        avoid: message.avoid ?? [],
        ...(message.again ? { again: message.again } : {}),
        signal: this.#abort.signal,
      });
      this.send({ type: 'route', id: message.id, ...route });
    } catch (thrown) {
      const { code, message: why } = toVesselError(thrown);
      this.send({ type: 'refused', id: message.id, code, message: why.slice(0, 1000) });
    } finally {
      this.#matching--;
    }
  }

  /** A token bucket: a client that floods is disconnected. */
  #spend(): void {
    const now = this.#options.now();
    this.#allowance = Math.min(messagesPerSecond, this.#allowance + ((now - this.#allowanceAtMs) / 1000) * messagesPerSecond);
    this.#allowanceAtMs = now;
    this.#allowance -= 1;
    if (this.#allowance < -messagesPerSecond) throw new VesselError('rate_limited');
  }

  #offer(peer: string, { capability, ask }: OfferMessage): void {
    this.#options.coordinator.offer(peer, this.#account, capability, (reply) => this.send(reply), ask ?? null);
  }

  #withdraw(): void {
    if (this.#offered && this.peer) this.#options.coordinator.withdraw(this.peer);
    this.#offered = null;
  }

  #closed(): void {
    clearTimeout(this.#helloTimer);
    this.#abort.abort();
    this.#withdraw();
    if (this.peer) this.#options.coordinator.askerOnline(this.peer, false);
    this.#events.onClosed();
  }
}
