/** Where a checkpoint is read from and where its blobs go: a folder, a hub, a file picker; a store, OPFS, memory. */
import type { BlobRef } from './manifest.ts';

/** A Hugging Face model folder. File names are relative to it, with forward slashes. */
export interface CheckpointSource {
  files(): Promise<string[]>;
  /** Bytes. */
  size(file: string): Promise<number>;
  /** Exactly `length` bytes at `offset`. */
  read(file: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

export interface BlobSink {
  /** Stores the bytes under their content id. The bytes are the sink's from then on. */
  put(bytes: Uint8Array<ArrayBuffer>): Promise<BlobRef>;
}
