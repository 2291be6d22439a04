/** Stands between a client and a JSON-RPC node and fails when told to: before the node hears the request, or before its answer is heard. */
import { createServer, type Server } from 'node:http';

export class DroppingProxy {
  /** While true every connection breaks off. */
  isDown = false;
  readonly url: string;
  readonly #server: Server;
  #drop: { method: string; moment: 'before' | 'after' } | null = null;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async open(target: string): Promise<DroppingProxy> {
    let proxy: DroppingProxy | null = null;
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString();
      const dropped = proxy!.#dropOf(body);
      if (dropped === 'before') return request.socket.destroy();
      const answer = await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      const text = await answer.text();
      if (dropped === 'after') return request.socket.destroy();
      return response.setHeader('content-type', 'application/json').end(text);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxy = new DroppingProxy(server, (server.address() as { port: number }).port);
    return proxy;
  }

  /** Requests of this method are dropped at this moment from now on; null ends that. */
  drop(what: { method: string; moment: 'before' | 'after' } | null): void {
    this.#drop = what;
  }

  #dropOf(body: string): 'before' | 'after' | null {
    if (this.isDown) return 'before';
    return this.#drop !== null && body.includes(`"${this.#drop.method}"`) ? this.#drop.moment : null;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
