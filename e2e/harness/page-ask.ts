/** An ask made by a script on the page, watched from here. */
import type { Page } from 'playwright-core';
import type { PageScope } from './page-scope.ts';

export interface PageAskState {
  text: string;
  /** Events with text so far. */
  pieces: number;
  ended: boolean;
  error: string | null;
}

type Scope = PageScope & { asked: PageAskState };

export class PageAsk {
  readonly #page: Page;

  /** Greedy. One ask per page at a time. */
  static async begin(page: Page, content: string, maxTokens: number): Promise<PageAsk> {
    await page.evaluate(
      (question) => {
        const scope = globalThis as unknown as Scope;
        const asked: PageAskState = { text: '', pieces: 0, ended: false, error: null };
        scope.asked = asked;
        void (async () => {
          try {
            const events = scope.vessel.ask({
              model: 'vessel-tiny',
              messages: [{ role: 'user', content: question.content }],
              temperature: 0,
              maxTokens: question.maxTokens,
              signal: new AbortController().signal,
            });
            for await (const { type, delta } of events) {
              if (type !== 'text') continue;
              asked.text += delta ?? '';
              asked.pieces++;
            }
          } catch (thrown) {
            asked.error = thrown instanceof Error ? `${(thrown as { code?: string }).code}: ${thrown.message}` : String(thrown);
          }
          asked.ended = true;
        })();
      },
      { content, maxTokens },
    );
    return new PageAsk(page);
  }

  private constructor(page: Page) {
    this.#page = page;
  }

  /** Whether text has come. Throws when the ask has failed. */
  async hasBegun(): Promise<boolean> {
    const { pieces, error } = await this.state();
    if (error !== null) throw new Error(`The page's ask failed: ${error}`);
    return pieces > 0;
  }

  state(): Promise<PageAskState> {
    return this.#page.evaluate(() => (globalThis as unknown as Scope).asked);
  }
}
