/** Reads the text messages out of one direction of a WebSocket's bytes (RFC 6455, no extensions), the HTTP head included. */
export class WebSocketText {
  readonly #onText: (text: string) => void;
  #rest = Buffer.alloc(0);
  #isOpen = false;
  #message = Buffer.alloc(0);

  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  push(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data]);
    if (!this.#isOpen) {
      const end = this.#rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#rest = this.#rest.subarray(end + 4);
      this.#isOpen = true;
    }
    while (this.#frame());
  }

  #frame(): boolean {
    const bytes = this.#rest;
    if (bytes.length < 2) return false;
    const opcode = bytes[0]! & 15;
    const isMasked = bytes[1]! >= 128;
    let length = bytes[1]! & 127;
    let at = 2;
    const lengthBytes = length === 126 ? 2 : length === 127 ? 8 : 0;
    if (bytes.length < at + lengthBytes) return false;
    if (lengthBytes === 2) length = bytes.readUInt16BE(at);
    if (lengthBytes === 8) length = Number(bytes.readBigUInt64BE(at));
    at += lengthBytes;
    const mask = isMasked ? bytes.subarray(at, at + 4) : null;
    at += isMasked ? 4 : 0;
    if (bytes.length < at + length) return false;
    const body = Buffer.from(bytes.subarray(at, at + length));
    if (mask) for (let i = 0; i < body.length; i++) body[i]! ^= mask[i % 4]!;
    this.#rest = bytes.subarray(at + length);
    // 0 goes on with a message, 1 begins a text; the rest is pings and goodbyes.
    if (opcode > 1) return true;
    this.#message = Buffer.concat([this.#message, body]);
    if (bytes[0]! >= 128) {
      this.#onText(this.#message.toString());
      this.#message = Buffer.alloc(0);
    }
    return true;
  }
}
