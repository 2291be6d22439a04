/**
 * What several sources yield, as it comes. Each source is asked for its next value only after its last one was taken, so a slow
 * reader slows the sources. The first failure fails the whole.
 */
export async function* merge<T>(sources: AsyncIterable<T>[]): AsyncGenerator<T, void, void> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const pending = new Map(iterators.map((iterator) => [iterator, nextOf(iterator)]));
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values());
      // Re-inserted at the end: of several that are ready the race takes the first, and nobody shall always be that one.
      pending.delete(iterator);
      if (result.done) continue;
      pending.set(iterator, nextOf(iterator));
      yield result.value;
    }
  } finally {
    for (const [iterator, next] of pending) {
      // Nobody is left to hear how these end.
      next.catch(() => undefined);
      iterator.return?.().catch(() => undefined);
    }
  }
}

async function nextOf<T>(iterator: AsyncIterator<T>): Promise<{ iterator: AsyncIterator<T>; result: IteratorResult<T> }> {
  return { iterator, result: await iterator.next() };
}
