/** A WAN between peers on one machine, without privileges: each ICE candidate gets a UDP proxy of its own, and peers are told the proxy's port. */
import { createSocket, type Socket } from 'node:dgram';
import type { WanDirection, WanLink } from './wan-link.ts';

export class WanUdp {
  readonly #link: WanLink;
  /** By address and port of the candidate. */
  readonly #fronts = new Map<string, Promise<Socket>>();
  readonly #sockets = new Set<Socket>();

  constructor(link: WanLink) {
    this.#link = link;
  }

  /** The port, on every address of this machine, from which packets reach `ip:port` over the link. */
  async portFor(ip: string, port: number): Promise<number> {
    const key = `${ip} ${port}`;
    let front = this.#fronts.get(key);
    if (!front) {
      front = this.#open(ip, port);
      this.#fronts.set(key, front);
    }
    return (await front).address().port;
  }

  /** A candidate line with the proxy's port; null for those that are no UDP over IPv4: they are left out. */
  async rewrite(line: string): Promise<string | null> {
    const parts = /^((?:a=)?candidate:\S+ \d+ )(udp)( \d+ )(\d+\.\d+\.\d+\.\d+) (\d+)(.*)$/i.exec(line);
    if (!parts) return null;
    const [, head, protocol, priority, ip, port, rest] = parts;
    return `${head}${protocol}${priority}${ip} ${await this.portFor(ip!, Number(port))}${rest}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets.clear();
  }

  async #open(ip: string, port: number): Promise<Socket> {
    const front = await this.#bind();
    const there = this.#link.direction();
    const back = this.#link.direction();
    // One socket per sender, as a NAT has.
    const senders = new Map<string, Promise<Socket>>();
    front.on('message', (packet, from) => {
      const key = `${from.address}:${from.port}`;
      let sender = senders.get(key);
      if (!sender) {
        sender = this.#sender(front, from, back);
        senders.set(key, sender);
      }
      void sender.then((socket) => there.packet(packet.length, () => this.#send(socket, packet, port, ip)));
    });
    return front;
  }

  async #sender(front: Socket, from: { address: string; port: number }, back: WanDirection): Promise<Socket> {
    const socket = await this.#bind();
    socket.on('message', (reply) => back.packet(reply.length, () => this.#send(front, reply, from.port, from.address)));
    return socket;
  }

  #send(socket: Socket, packet: Buffer, port: number, ip: string): void {
    if (this.#sockets.has(socket)) socket.send(packet, port, ip, () => undefined);
  }

  #bind(): Promise<Socket> {
    const socket = createSocket('udp4');
    this.#sockets.add(socket);
    // A port nobody listens on any more is reported here.
    socket.on('error', () => undefined);
    return new Promise((resolve) => socket.bind(0, '0.0.0.0', () => resolve(socket)));
  }
}
