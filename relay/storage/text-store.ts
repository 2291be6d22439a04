/** One small document that outlives the process. */
export interface TextStore {
  /** The last text written, or null when there never was one. */
  read(): Promise<string | null>;
  /** Resolves when the text would survive a power cut. A reader sees the old text or the new one, never a part. */
  write(text: string): Promise<void>;
}
