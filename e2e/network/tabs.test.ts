/** What a tab's visitor does to the network: comes back, opens a second tab, stops, leaves. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { tabAnswer } from '../harness/tab-answer.ts';
import { TabNetwork } from '../harness/tab-network.ts';
import { until } from '../harness/until.ts';

describe('tabs that come and go', { skip: skipWithoutBrowser }, () => {
  let network: TabNetwork;
  before(async () => {
    network = await TabNetwork.start({ split: [4, 4] });
  });
  after(() => network?.close());

  const blobRequests = () => network.proxy.requests.filter((target) => target.startsWith('/blobs/')).length;

  test('a second visit fetches no blob: everything comes from the visitor’s own storage', async () => {
    const visitor = await network.browser.newContext();
    const first = await network.addTab({ context: visitor });
    const held = await first.layers();
    const fetched = blobRequests();
    assert.ok(fetched > 0, 'the first visit fetched blobs');
    await first.close();
    await until('the tab is forgotten', () => network.relay.coordinator.providers === 0);
    const second = await network.addTab({ context: visitor });
    assert.deepEqual(await second.layers(), held);
    assert.equal(blobRequests(), fetched);
    assert.deepEqual([...first.complaints, ...second.complaints], []);
  });

  test('a second tab of the same visitor finds the first one’s blobs, and both answer', async () => {
    const first = network.tabs.at(-1)!;
    const other = await network.addTab({ context: first.page.context() });
    await network.ready();
    const ranges = [await first.layers(), await other.layers()].sort((a, b) => a[0] - b[0]);
    assert.deepEqual(ranges, [
      [0, 4],
      [4, 8],
    ]);
    await assertAnswers();
    // Both hold everything between them now: a third tab of this visitor has nothing to fetch.
    const fetched = blobRequests();
    await other.close();
    await until('the tab is forgotten', () => network.relay.coordinator.providers === 1);
    await network.addTab({ context: first.page.context() });
    await network.ready();
    assert.equal(blobRequests(), fetched);
  });

  test('a tab is closed: its layers are missing until another joins, then asks are answered again', async () => {
    const gone = network.tabs.findLast(({ page }) => !page.isClosed())!;
    const lost = await gone.layers();
    await gone.close();
    await until('the model is not whole', () => !network.relay.coordinator.isReady(network.model));
    // Asked while layers are missing: it waits in line.
    const waiting = assertAnswers();
    const stranger = await network.addTab();
    assert.deepEqual(await stranger.layers(), lost);
    await waiting;
  });

  test('the Stop button frees the tab; Start takes part again', async () => {
    await network.ready();
    const tab = network.tabs.findLast(({ page }) => !page.isClosed())!;
    await tab.page.getByRole('button', { name: /^Stop/ }).click();
    await until('the relay has let it go', () => network.relay.coordinator.providers === 1);
    assert.equal((await tab.contribution()).phase, 'off');
    assert.equal(tab.page.workers().length, 0, 'the compute worker has ended');
    await tab.page.getByRole('button', { name: 'Start contributing' }).click();
    await until('it takes part again', () => network.relay.coordinator.providers === 2);
    await network.ready();
    await assertAnswers();
    assert.deepEqual(tab.complaints, []);
  });

  async function assertAnswers(): Promise<void> {
    const { text, expected } = await tabAnswer(network.url);
    assert.equal(text, expected);
    await network.idle();
  }
});
