/**
 * The plain WebSocket to the relay: hello, then messages both ways. Reconnects by itself with full jitter, so that a relay that
 * restarts is not met by every tab at once.
 */
import type { Clock } from '../../shared/protocol/clock.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import { parseMessage } from '../../shared/protocol/parse-message.ts';
import {
  helloText,
  type PresenceClientMessage,
  type PresenceRelayMessage,
  presenceRelaySchema,
} from '../../shared/protocol/presence-messages.ts';
import { stringifyMessage } from '../../shared/protocol/stringify-message.ts';
import { protocolVersion } from '../../shared/protocol/version.ts';
import { toBase64url } from './base64url.ts';
import type { DeviceKey } from './device-key.ts';
import { retryDelayMs } from './retry-delay.ts';

export type Welcome = Extract<PresenceRelayMessage, { type: 'welcome' }>;

export interface PresenceSocketOptions {
  /** http(s) or ws(s) origin of the relay. */
  relayUrl: string;
  key: DeviceKey;
  /** This node's libp2p peer id. */
  peer: string;
  /** Signs with the key of that peer id. */
  signAsPeer: (message: Uint8Array) => Promise<Uint8Array>;
  clock: Clock;
  random?: () => number;
  onWelcome: (welcome: Welcome) => void;
  onMessage: (message: PresenceRelayMessage) => void;
  onState?: (state: 'connecting' | 'online' | 'offline', error?: VesselError) => void;
}

export class PresenceSocket {
  readonly #options: PresenceSocketOptions;
  #socket: WebSocket | null = null;
  #online = false;
  #tries = 0;
  #stopped = false;
  #cancelRetry = () => {};

  constructor(options: PresenceSocketOptions) {
    this.#options = options;
    this.#connect();
  }

  get online(): boolean {
    return this.#online;
  }

  /** False when the relay is not reachable at the moment: nothing is queued, presence is soft state. */
  send(message: PresenceClientMessage): boolean {
    if (!this.#online || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(stringifyMessage(message));
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry();
    this.#socket?.close();
    this.#online = false;
  }

  #connect(): void {
    this.#options.onState?.('connecting');
    const url = new URL('/presence', this.#options.relayUrl.replace(/^http/, 'ws'));
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onmessage = (event) => {
      this.#receive(socket, String(event.data)).catch((thrown) => this.#refused(socket, toVesselError(thrown)));
    };
    socket.onclose = () => this.#closed(socket);
    socket.onerror = () => socket.close();
  }

  async #receive(socket: WebSocket, text: string): Promise<void> {
    const message = parseMessage(presenceRelaySchema, text);
    switch (message.type) {
      case 'challenge': {
        if (message.version !== protocolVersion) {
          throw new VesselError('version_mismatch', 'The relay speaks another protocol version. Reload the page or update.');
        }
        const { key, peer, signAsPeer } = this.#options;
        const text = new TextEncoder().encode(helloText(message.nonce, peer));
        const [signature, peerSignature] = await Promise.all([key.sign(text), signAsPeer(text)]);
        const hello: PresenceClientMessage = {
          type: 'hello',
          version: protocolVersion,
          key: toBase64url(key.publicKey),
          peer,
          signature: toBase64url(signature),
          peerSignature: toBase64url(peerSignature),
        };
        socket.send(JSON.stringify(hello));
        return;
      }
      case 'welcome':
        this.#online = true;
        this.#tries = 0;
        this.#options.onWelcome(message);
        this.#options.onState?.('online');
        return;
      case 'error':
        this.#options.onState?.('online', new VesselError(message.code, message.message));
        return;
      default:
        this.#options.onMessage(message);
    }
  }

  #refused(socket: WebSocket, error: VesselError): void {
    this.#options.onState?.('offline', error);
    if (error.code === 'version_mismatch') this.#stopped = true;
    socket.close();
  }

  #closed(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#online = false;
    if (this.#stopped) return;
    this.#options.onState?.('offline');
    const delayMs = retryDelayMs(this.#tries++, this.#options.random);
    this.#cancelRetry = this.#options.clock.after(delayMs, () => this.#connect());
  }
}
