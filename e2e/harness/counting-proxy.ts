/** Stands between a relay and everybody else, sees what passes, and can cut it all off for good. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { WebSocketText } from './web-socket-text.ts';

export type RelayPath = 'presence' | 'libp2p' | 'http';

export class CountingProxy {
  /** Paths of HTTP requests, upgrades included, in order. */
  readonly requests: string[] = [];
  /** Bytes in both directions. */
  readonly bytes: Record<RelayPath, number> = { presence: 0, libp2p: 0, http: 0 };
  /** Types of presence messages, both directions, in order. */
  readonly presence: string[] = [];
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async before(relayPort: number): Promise<CountingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new CountingProxy(server, relayPort);
  }

  private constructor(server: Server, relayPort: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    server.on('connection', (client) => this.#join(client, dial(relayPort, '127.0.0.1')));
  }

  #join(client: Socket, relay: Socket): void {
    let path: RelayPath = 'http';
    const fromClient = new WebSocketText((text) => this.#presence(text));
    const fromRelay = new WebSocketText((text) => this.#presence(text));
    client.on('data', (data: Buffer) => {
      if (path === 'http') {
        const head = data.toString('latin1');
        for (const [, target] of head.matchAll(/^(?:GET|POST|HEAD|OPTIONS) (\S+) HTTP\/1\.1\r$/gm)) this.requests.push(target!);
        if (/^upgrade: websocket\r$/im.test(head)) path = this.requests.at(-1) === '/presence' ? 'presence' : 'libp2p';
      }
      this.bytes[path] += data.length;
      if (path === 'presence') fromClient.push(data);
      relay.write(data);
    });
    relay.on('data', (data: Buffer) => {
      this.bytes[path] += data.length;
      if (path === 'presence') fromRelay.push(data);
      client.write(data);
    });
    for (const [one, other] of [
      [client, relay],
      [relay, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }

  #presence(text: string): void {
    this.presence.push(/^\{"type":"([a-z]+)"/.exec(text)?.[1] ?? 'garbage');
  }

  /** Ends every connection and takes no new one. */
  cut(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
