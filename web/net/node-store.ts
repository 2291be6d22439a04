/** The page's state as one immutable snapshot, published at most once per animation frame. */
import type { NodeState, Observable } from '../app/network.ts';

export class NodeStore implements Observable<NodeState> {
  readonly #listeners = new Set<() => void>();
  #current: NodeState;
  #published: NodeState;
  #isDue = false;

  constructor(initial: NodeState) {
    this.#current = initial;
    this.#published = initial;
  }

  /** The newest state, published or not. */
  get current(): NodeState {
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  getSnapshot(): NodeState {
    return this.#published;
  }

  update(change: Partial<NodeState>): void {
    this.#current = { ...this.#current, ...change };
    if (this.#isDue) return;
    this.#isDue = true;
    const publish = () => {
      this.#isDue = false;
      this.#published = this.#current;
      for (const listener of [...this.#listeners]) listener();
    };
    // Hidden pages get no animation frames; their title must still change.
    if (document.visibilityState === 'visible') requestAnimationFrame(publish);
    else setTimeout(publish, 50);
  }
}
