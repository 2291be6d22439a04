/** What a question costs, on the real page: somebody computes for money, and the page pays with play money or cannot pay. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type HeadlessBrowser, launchBrowser } from '../../relay/cli/headless-browser.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { RelayPage } from './paid-relay-page.ts';

describe('a question in a paid network', { skip: skipWithoutBrowser || skipWithoutAnvil }, () => {
  let relay: RelayPage;
  let browser: HeadlessBrowser;

  before(async () => {
    relay = await RelayPage.open();
    await relay.serve();
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await relay?.close();
  });

  test('a question on the page says what it can cost, what it did cost, and without money leads to the keys', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${relay.url}/#ask`);
    await page.getByText(/An answer costs [0-9.]+ AIC at most/).waitFor();
    await page.getByRole('textbox', { name: 'Your question' }).fill('What is WebGPU?');
    await page.getByRole('button', { name: 'Ask', exact: true }).click();
    await page.getByText(/tokens\/s · first token after .* · [0-9.]+ AIC/).waitFor();

    const real = await (await browser.newContext()).newPage();
    await real.route('**/v1/network/terms', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ json: { ...(await response.json()), local: false } });
    });
    await real.goto(`${relay.url}/#ask`);
    await real.getByRole('textbox', { name: 'Your question' }).fill('What is WebGPU?');
    await real.getByRole('button', { name: 'Ask', exact: true }).click();
    await real.getByRole('link', { name: 'Go to API keys' }).click();
    await real.getByRole('heading', { name: 'Sign in with your wallet' }).waitFor();
    await real.getByRole('link', { name: 'Ask' }).click();
    await real.getByText('Answers cost AIC here').waitFor();
  });

  test('a relay that has given away enough for now is quoted, not taken for a chain that is down', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.route('**/v1/faucet', (route) =>
      route.fulfill({
        status: 429,
        json: { error: { code: 'rate_limited', message: 'Too many requests: at most 6 per minute.' } },
      }),
    );
    await page.goto(`${relay.url}/#ask`);
    await page.getByRole('textbox', { name: 'Your question' }).fill('What is WebGPU?');
    await page.getByRole('button', { name: 'Ask', exact: true }).click();
    await page.getByText('Too many questions in a short time').waitFor();
    assert.equal(await page.getByText('The chain does not answer').count(), 0);
  });
});
