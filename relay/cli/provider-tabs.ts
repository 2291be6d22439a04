/** Provider tabs in headless Chromium: the real page, each in a context of its own, contributing as if Start had been pressed. */
import { VesselError } from '../../shared/protocol/errors.ts';
import { type HeadlessBrowser, launchBrowser, type Tab } from './headless-browser.ts';

export interface TabSettings {
  backend: 'webgpu' | 'wasm';
  /** Bytes for weights and KV together. */
  memoryBytes: number;
}

export interface ProviderTabs {
  readonly browser: HeadlessBrowser;
  /** Opens one more tab. Resolves when it has begun; the relay tells when it is ready. */
  open(): Promise<Tab>;
  /** Tabs that are open. */
  readonly all: readonly Tab[];
  /** This one may crash from now on: it is meant to. */
  giveUp(tab: Tab): void;
  /** Rejects when a tab says that it cannot contribute. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

const scriptDeadlineMs = 60_000;

/** What the page offers to scripts on it (web/app/main.tsx), as far as this file uses it. */
interface PageNode {
  startContribution(settings: TabSettings & { dutyCycle: number }): Promise<void>;
  state: { getSnapshot(): { contribution: { phase: string; code?: string; message?: string } } };
}

export async function openProviderTabs(
  url: string,
  settings: TabSettings,
  onNote: (note: string) => void,
): Promise<ProviderTabs> {
  const browser = await launchBrowser();
  let fail: (error: VesselError) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const all: Tab[] = [];
  const doomed = new Set<Tab>();
  return {
    browser,
    all,
    failed,
    giveUp: (tab) => void doomed.add(tab),
    async open() {
      const tab = await browser.openTab(url);
      all.push(tab);
      tab.page.on('console', (message) => {
        if (message.type() === 'error') onNote(`a tab reports: ${message.text()}`);
      });
      tab.page.on('pageerror', (error) => onNote(`a tab reports: ${error.message}`));
      tab.page.on('crash', () => {
        if (doomed.has(tab)) return;
        fail(new VesselError('out_of_memory', 'A provider tab crashed, probably out of memory.'));
      });
      await waitForNode(tab);
      // Not awaited: it resolves when the shard is ready, which the relay reports too.
      tab.page
        .evaluate(async (chosen) => {
          const { vessel } = globalThis as unknown as { vessel: PageNode };
          await vessel.startContribution({ ...chosen, dutyCycle: 1 });
          const { contribution } = vessel.state.getSnapshot();
          return contribution.phase === 'failed' ? `${contribution.message} (${contribution.code})` : null;
        }, settings)
        .then(
          (problem) => problem !== null && fail(new VesselError('unsupported', `A provider tab cannot contribute: ${problem}`)),
        )
        // Closing the tab ends the call: nothing to say then.
        .catch(() => undefined);
      return tab;
    },
    close: () => browser.close(),
  };
}

/** The page's policy forbids the evaluation that Playwright's own waiting uses, so we look ourselves. */
async function waitForNode({ page }: Tab): Promise<void> {
  const deadline = performance.now() + scriptDeadlineMs;
  while (!(await page.evaluate(() => 'vessel' in globalThis))) {
    if (performance.now() > deadline) throw new VesselError('internal', 'The page did not start its script.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
