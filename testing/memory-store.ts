import type { TextStore } from '../relay/storage/text-store.ts';

export class MemoryStore implements TextStore {
  text: string | null;

  constructor(text: string | null = null) {
    this.text = text;
  }

  async read(): Promise<string | null> {
    return this.text;
  }

  async write(text: string): Promise<void> {
    this.text = text;
  }
}
