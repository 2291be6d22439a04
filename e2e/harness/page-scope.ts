/** What scripts find on the page (`globalThis.vessel`), as far as these tests use it. */
export interface PageContribution {
  phase: string;
  code?: string;
  message?: string;
  sessions: number;
  tokensServed: number;
  bytesIn: number;
  bytesOut: number;
  shard: { model: string; from: number; to: number; layers: number } | null;
}

export interface PageAnswerEvent {
  type: 'route' | 'text' | 'done';
  delta?: string;
  hops?: { from: number; to: number; backend: string }[];
}

export interface PageScope {
  vessel: {
    startContribution(settings: { memoryBytes: number; dutyCycle: number; backend: 'wasm' | 'webgpu' }): Promise<void>;
    stopContribution(): Promise<void>;
    ask(request: {
      model: string;
      messages: { role: 'user'; content: string }[];
      temperature: number;
      maxTokens: number;
      signal: AbortSignal;
    }): AsyncIterable<PageAnswerEvent>;
    state: { getSnapshot(): { relay: string; contribution: PageContribution } };
  };
}
