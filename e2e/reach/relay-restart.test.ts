/** The relay is killed in the middle of answers and comes back on the same port: nobody who is answering notices, and tabs return by themselves. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { ensurePage } from '../../relay/cli/ensure-page.ts';
import { type HeadlessBrowser, launchBrowser } from '../../relay/cli/headless-browser.ts';
import { connect, type Vessel } from '../../sdk/vessel.ts';
import { samplingSchema } from '../../shared/protocol/sampling.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import type { PageScope } from '../harness/page-scope.ts';
import { type TinySample, tinyChats } from '../harness/tiny-samples.ts';
import { until } from '../harness/until.ts';
import { VesselProcess } from '../harness/vessel-process.ts';

const tabs = 2;
/** Long and slow enough that the relay is back, and the tabs are with it, before the answer ends. */
const answerTokens = 160;
const dutyCycle = 0.02;

interface Health {
  ok: boolean;
  providers: number;
}

describe('a relay that is killed and started again', { skip: skipWithoutBrowser }, () => {
  let first: VesselProcess;
  let second: VesselProcess | undefined;
  let browser: HeadlessBrowser;
  let vessel: Vessel;
  let url: string;
  let sample: TinySample;
  const pages: Page[] = [];

  const relayArgs = (port: number) => ['relay', '--port', String(port), '--max-layers', '4'];
  const isReady = ({ stdout }: { stdout: string }) => stdout.includes('relay ready at ');
  const health = async (): Promise<Health | null> =>
    fetch(`${url}/health`).then(
      (response) => response.json() as Promise<Health>,
      () => null,
    );

  async function* tokens(): AsyncGenerator<number> {
    const asked = vessel.askIds({
      model: 'vessel-tiny',
      promptIds: sample.promptIds,
      maxTokens: answerTokens,
      stopIds: [],
      sampling: samplingSchema.parse({ temperature: 0, seed: 1 }),
    });
    for await (const event of asked) if (event.type === 'token') yield event.id;
  }

  before(async () => {
    sample = (await tinyChats())[0]!;
    await ensurePage(process);
    first = new VesselProcess(relayArgs(0));
    await first.until('the relay is ready', isReady);
    url = /relay ready at (http:\S+)/.exec(first.stdout)![1]!;
    browser = await launchBrowser();
    for (let i = 0; i < tabs; i++) {
      const { page } = await browser.openTab(url);
      pages.push(page);
      await until('the page has its script', () => page.evaluate(() => 'vessel' in globalThis));
      await page.evaluate(
        (settings) => {
          Object.assign(globalThis, { neverReloaded: true });
          void (globalThis as unknown as PageScope).vessel.startContribution(settings);
        },
        { memoryBytes: 2 ** 30, dutyCycle, backend: 'wasm' as const },
      );
    }
    await until('tabs hold every layer', async () => (await health())?.ok === true);
    vessel = await connect({ relay: url });
    // Links are made.
    for await (const _ of tokens()) break;
  });
  after(async () => {
    await vessel?.close();
    await browser?.close();
    await second?.dispose();
    await first?.dispose();
  });

  test('[PR21] an answer that is running goes on to its end, over a relay that dies and another that comes', async () => {
    const ids: number[] = [];
    let backAfter = -1;
    for await (const id of tokens()) {
      ids.push(id);
      if (ids.length !== 5) continue;
      first.signal('SIGKILL');
      await first.ended;
      assert.equal(await health(), null);
      const port = Number(new URL(url).port);
      second = new VesselProcess(relayArgs(port), { VESSEL_HOME: first.home });
      void (async () => {
        await second.until('the relay is ready again', isReady);
        await until('tabs are back', async () => (await health())?.providers === tabs);
        backAfter = ids.length;
      })();
    }
    assert.equal(ids.length, answerTokens);
    assert.deepEqual(ids.slice(0, sample.allIds.length), sample.allIds);
    assert.ok(backAfter > 5 && backAfter < answerTokens, `tabs were back after ${backAfter} tokens`);
    const again: number[] = [];
    for await (const id of tokens()) again.push(id);
    assert.deepEqual(again, ids, 'the same client asks again, and gets what an undisturbed answer says');
  });

  test('[PR21] tabs came back by themselves: no page was reloaded, and each is online', async () => {
    for (const page of pages) {
      const state = await page.evaluate(() => ({
        neverReloaded: 'neverReloaded' in globalThis,
        relay: (globalThis as unknown as PageScope).vessel.state.getSnapshot().relay,
      }));
      assert.deepEqual(state, { neverReloaded: true, relay: 'online' });
    }
  });
});
