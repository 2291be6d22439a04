/** The line to a relay: everything it serves, over a WAN. */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { WanLink } from './wan-link.ts';

export class WanTcp {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async before(port: number, link: WanLink): Promise<WanTcp> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new WanTcp(server, port, link);
  }

  private constructor(server: Server, port: number, link: WanLink) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    server.on('connection', (client) => {
      const relay = dial({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
      this.#pass(client, relay, link);
      this.#pass(relay, client, link);
    });
  }

  #pass(from: Socket, to: Socket, link: WanLink): void {
    const direction = link.direction();
    this.#sockets.add(from);
    from.on('data', (data) => direction.piece(data.length, () => to.writable && to.write(data)));
    from.on('end', () => direction.piece(0, () => to.end()));
    from.on('error', () => to.destroy());
    from.on('close', () => this.#sockets.delete(from));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
