import type { Stream } from '@libp2p/interface';

/** As much of a libp2p stream as records need: bytes arrive when a test says so. */
export class FakeStream extends EventTarget {
  inactivityTimeout = 0;
  writeStatus = 'writable';
  aborted: Error | null = null;
  #other: FakeStream | null = null;

  /** What is written here arrives there. */
  pipeTo(other: FakeStream): void {
    this.#other = other;
  }

  /** The records code uses these members and no others. */
  asStream(): Stream {
    return this as unknown as Stream;
  }

  arrive(bytes: Uint8Array): void {
    if (this.writeStatus === 'writable')
      this.dispatchEvent(Object.assign(new Event('message'), { data: { subarray: () => bytes } }));
  }

  send(bytes: Uint8Array): boolean {
    this.#other?.arrive(bytes);
    return true;
  }

  async onDrain(): Promise<void> {}

  async close(): Promise<void> {
    this.#end();
  }

  abort(error: Error): void {
    this.aborted = error;
    this.#end(error);
  }

  #end(error?: Error): void {
    if (this.writeStatus === 'closed') return;
    this.writeStatus = 'closed';
    this.dispatchEvent(Object.assign(new Event('close'), { error }));
  }
}
