/** A client of the presence socket, by hand, with real keys. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import WebSocket from 'ws';
import { toBase64url } from '../sdk/net/base64url.ts';
import { type DeviceKey, deviceKey, generateKeyPair as generateDeviceKeyPair } from '../sdk/net/device-key.ts';
import {
  helloText,
  type PresenceClientMessage,
  type PresenceRelayMessage,
  presenceRelaySchema,
} from '../shared/protocol/presence-messages.ts';
import { stringifyMessage } from '../shared/protocol/stringify-message.ts';
import { protocolVersion } from '../shared/protocol/version.ts';

export interface Identity {
  key: DeviceKey;
  peerKey: PrivateKey;
  peer: string;
}

export async function newIdentity(): Promise<Identity> {
  const peerKey = await generateKeyPair('Ed25519');
  return { key: await deviceKey(await generateDeviceKeyPair()), peerKey, peer: peerIdFromPrivateKey(peerKey).toString() };
}

/** What `who` would say to this challenge. */
export async function helloOf(who: Identity, nonce: string) {
  const text = new TextEncoder().encode(helloText(nonce, who.peer));
  return {
    type: 'hello' as const,
    version: protocolVersion,
    key: toBase64url(who.key.publicKey),
    peer: who.peer,
    signature: toBase64url(await who.key.sign(text)),
    peerSignature: toBase64url(await who.peerKey.sign(text)),
  };
}

export class PresenceClient {
  readonly socket: WebSocket;
  readonly received: PresenceRelayMessage[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(url: string) {
    this.socket = new WebSocket(url);
    this.socket.on('message', (data) => {
      this.received.push(presenceRelaySchema.parse(JSON.parse(String(data))));
      this.#wake();
    });
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) };
      this.#wake();
    });
    this.socket.on('error', () => undefined);
  }

  static async welcomed(url: string, identity?: Identity): Promise<PresenceClient & { identity: Identity }> {
    const client = new PresenceClient(url);
    const who = identity ?? (await newIdentity());
    const { nonce } = await client.next('challenge');
    client.send(await helloOf(who, nonce));
    await client.next('welcome');
    return Object.assign(client, { identity: who });
  }

  send(message: PresenceClientMessage): void {
    this.socket.send(stringifyMessage(message));
  }

  /** The next message of this type, taken out of what was received. Rejects when the socket closes first. */
  async next<Type extends PresenceRelayMessage['type']>(type: Type): Promise<Extract<PresenceRelayMessage, { type: Type }>> {
    for (;;) {
      const at = this.received.findIndex((message) => message.type === type);
      if (at >= 0) return this.received.splice(at, 1)[0] as Extract<PresenceRelayMessage, { type: Type }>;
      if (this.closed) throw new Error(`Closed with ${this.closed.code} ${this.closed.reason} before ${type}.`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** How the relay ended the connection. */
  async ended(): Promise<{ code: number; reason: string }> {
    while (!this.closed) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    return this.closed;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
