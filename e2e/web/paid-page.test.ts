/** Wallet, API keys and earnings on the real page, against a relay with a real chain. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { type HeadlessBrowser, launchBrowser } from '../../relay/cli/headless-browser.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { unnamedControls, weakText } from './page-checks.ts';
import { RelayPage } from './paid-relay-page.ts';
import { TestWallet } from './test-wallet.ts';

const aic = 10n ** 18n;
const phone = { width: 360, height: 740 };
const pictures = process.env.VESSEL_PICTURES;

describe('the page in a paid network', { skip: skipWithoutBrowser || skipWithoutAnvil }, () => {
  let relay: RelayPage;
  let browser: HeadlessBrowser;
  let contexts: BrowserContext[] = [];
  /** Script errors and refused content; the browser reports every 4xx as an error too, and those are part of the tests. */
  let complaints: string[] = [];

  before(async () => {
    relay = await RelayPage.open();
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await relay?.close();
  });
  afterEach(async () => {
    for (const context of contexts) await context.close();
    contexts = [];
    const found = complaints;
    complaints = [];
    assert.deepEqual(found, []);
  });

  async function open(hash: string, wallets: TestWallet[] = [], url = relay.url): Promise<Page> {
    const context = await browser.newContext();
    contexts.push(context);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url });
    for (const wallet of wallets) await wallet.install(context);
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) complaints.push(`asked ${request.url()}`);
    });
    await page.goto(`${url}/${hash}`);
    return page;
  }

  async function signedIn(wallet = new TestWallet()): Promise<Page> {
    const page = await open('#keys', [wallet]);
    await page.getByRole('button', { name: wallet.name }).click();
    await page.getByText('Signed in as').waitFor();
    return page;
  }

  async function withBalance(wallet: TestWallet, amount: string): Promise<Page> {
    await relay.fill(wallet.address as Address);
    const page = await signedIn(wallet);
    await page.getByLabel('Amount to move').fill(amount);
    await page.getByRole('button', { name: 'Deposit' }).click();
    await figure(page, 'Free to give to keys', `${amount} AIC`);
    return page;
  }

  const figure = (page: Page, label: string, value: string) =>
    page.locator('.figures > div').filter({ hasText: label }).filter({ hasText: value }).waitFor();

  async function fillKey(page: Page, name: string, cap: string): Promise<void> {
    await page.getByLabel('Name', { exact: true }).fill(name);
    await page.getByLabel('May spend at most').fill(cap);
    await page.getByRole('button', { name: 'Make key' }).click();
  }

  const picture = async (page: Page, name: string) => {
    if (pictures === undefined) return;
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.evaluate(() => window.scrollTo(0, 0));
      for (const [kind, viewport] of [
        ['desk', { width: 1280, height: 900 }],
        ['phone', phone],
      ] as const) {
        await page.setViewportSize(viewport);
        await page.screenshot({ path: `${pictures}/${name}-${scheme}-${kind}.png`, fullPage: true });
      }
    }
  };

  test('from an empty wallet to a key that works: chain added, faucet, deposit, key, list, limit, revoke here and on chain', async () => {
    const wallet = new TestWallet();
    const other = new TestWallet('Other Wallet');
    const page = await open('#keys', [other, wallet]);
    await page.getByRole('heading', { name: 'Sign in with your wallet' }).waitFor();
    assert.equal(await page.getByRole('list', { name: 'Wallets in this browser' }).getByRole('button').count(), 2);
    await picture(page, 'sign-in');
    await page.getByRole('button', { name: 'Test Wallet' }).click();
    await page.getByText('Signed in as').waitFor();
    assert.deepEqual(other.asked, []);

    await page.getByText('Your wallet has no coins to pay for gas.').waitFor();
    await page.getByRole('button', { name: 'Get test AIC' }).click();
    await figure(page, 'In your wallet', '1,000 AIC');
    await page.getByLabel('Amount to move').fill('250.5');
    await page.getByRole('button', { name: 'Deposit' }).click();
    await figure(page, 'Free to give to keys', '250.5 AIC');
    await figure(page, 'In your wallet', '749.5 AIC');
    assert.equal(wallet.rpcUrls.get(relay.chain.relayChain.chain.place.chainId), `${relay.url}/v1/chain`);
    assert.ok(wallet.asked.includes('wallet_addEthereumChain'));

    await fillKey(page, 'laptop', '100');
    const ready = page.getByRole('region', { name: 'The key “laptop” is ready' });
    await ready.waitFor();
    await picture(page, 'ready');
    await ready.getByRole('button', { name: 'Copy key' }).click();
    await ready.getByText('Copied').waitFor();
    const secret = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(secret, /^vsl_/);
    const models = await fetch(`${relay.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } });
    assert.equal(models.status, 200);
    assert.match(await ready.innerText(), new RegExp(`curl ${relay.url}/v1/chat/completions[\\s\\S]*Bearer ${secret}`));

    await page.reload();
    await ready.waitFor();
    await figure(page, 'Free to give to keys', '150.5 AIC');
    await ready.getByRole('button', { name: 'I have kept it' }).click();
    await ready.waitFor({ state: 'detached' });
    const row = page.getByRole('listitem').filter({ hasText: 'laptop' });
    assert.match(await row.innerText(), /Active[\s\S]*0 AIC spent of 100 AIC[\s\S]*last used/);

    await row.locator('summary').click();
    await row.getByLabel('Spend at most').fill('101');
    await row.getByText('authorized for 100 AIC').waitFor();
    await row.getByLabel('Spend at most').fill('40');
    await picture(page, 'keys');
    await row.getByRole('button', { name: 'Set limit' }).click();
    await row.getByText('spent of 40 AIC').waitFor();

    await row.getByRole('button', { name: 'Revoke laptop' }).click();
    await row.getByRole('button', { name: 'Revoke laptop for good' }).click();
    await row.waitFor({ state: 'detached' });
    const refused = await fetch(`${relay.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: '{}',
    });
    assert.equal(refused.status, 401);
    await page.reload();
    const revoked = page.getByRole('note').filter({ hasText: '“laptop” is revoked here' });
    await revoked.waitFor();
    await picture(page, 'revoked');
    await revoked.getByRole('button', { name: 'End it on chain' }).click();
    await revoked.waitFor({ state: 'detached' });

    const ended = page.getByRole('note').filter({ hasText: '“laptop” has ended' });
    await ended.getByText('100 AIC that it did not spend can come back from').waitFor();
  });

  test('what the person declines is said, leaves nothing behind, and can be done again', async () => {
    const wallet = new TestWallet();
    await relay.fill(wallet.address as Address);
    wallet.declines.push('personal_sign');
    const page = await open('#keys', [wallet]);
    await page.getByRole('button', { name: wallet.name }).click();
    const alert = page.getByRole('alert').filter({ hasText: 'You declined' });
    await alert.waitFor();
    await page.getByRole('button', { name: 'Sign in with Test Wallet' }).click();
    await figure(page, 'In your wallet', '1,000 AIC');

    wallet.declines.push('eth_sendTransaction');
    await page.getByLabel('Amount to move').fill('10');
    await page.getByRole('button', { name: 'Deposit' }).click();
    await alert.waitFor();
    await page.getByRole('button', { name: 'Deposit' }).click();
    await figure(page, 'Free to give to keys', '10 AIC');

    wallet.declines.push('eth_signTypedData_v4');
    await fillKey(page, 'never', '5');
    await page.getByRole('alert').filter({ hasText: 'no key was made' }).waitFor();
    await picture(page, 'declined');
    await page.getByText('None yet.').waitFor();
    await page.getByRole('button', { name: 'Make key' }).click();
    await page.getByRole('region', { name: 'The key “never” is ready' }).waitFor();
  });

  test('a wallet that stays on another chain signs nothing; a key made meanwhile is authorized later', async () => {
    const wallet = new TestWallet();
    const page = await withBalance(wallet, '20');
    wallet.chainId = 1;
    wallet.isStubborn = true;
    await fillKey(page, 'later', '5');
    await page.getByRole('alert').filter({ hasText: 'Your wallet is on another chain' }).waitFor();
    assert.ok(!wallet.asked.includes('eth_signTypedData_v4'));
    await page.reload();
    const row = page.getByRole('listitem').filter({ hasText: 'later' });
    await row.getByText('Not authorized yet').waitFor();
    assert.equal(await page.getByText('is ready').count(), 0);
    wallet.isStubborn = false;
    await row.getByRole('button', { name: 'Authorize later' }).click();
    await page.getByRole('region', { name: 'The key “later” is ready' }).waitFor();
    await row.getByText('Active').waitFor();
  });

  test('a deposit under way outlives a reload', async () => {
    const wallet = new TestWallet();
    await relay.fill(wallet.address as Address);
    const page = await signedIn(wallet);
    await relay.chain.rpc('evm_setAutomine', [false]);
    try {
      await page.getByLabel('Amount to move').fill('6');
      await page.getByRole('button', { name: 'Deposit' }).click();
      await page.getByText('The deposit is on its way').waitFor();
      await page.reload();
      await page.getByText('The deposit is on its way').waitFor();
      assert.ok(await page.getByRole('button', { name: 'Deposit' }).isDisabled());
    } finally {
      await relay.chain.rpc('evm_setAutomine', [true]);
      await relay.chain.rpc('evm_mine');
    }
    await figure(page, 'Free to give to keys', '6 AIC');
    assert.equal(await page.getByText('on its way').count(), 0);
  });

  test('a wallet that goes to another account signs nothing for this one, until its own signs in', async () => {
    const wallet = new TestWallet();
    const page = await withBalance(wallet, '2');
    const before = wallet.address;
    await wallet.changeAccount(page);
    await page.getByText('Test Wallet is on another account').waitFor();
    await page.getByText('Connect your wallet to make a key.').waitFor();
    await page.getByRole('button', { name: 'sign in as' }).click();
    await figure(page, 'Free to give to keys', '0 AIC');
    assert.notEqual(wallet.address, before);
    assert.equal(await page.getByText('is on another account').count(), 0);
  });

  test('an amount that is not there, or is none, is said before anything is asked of the wallet', async () => {
    const wallet = new TestWallet();
    const page = await withBalance(wallet, '3');
    await page.getByLabel('Amount to move').fill('1e3');
    await page.getByText('Type an amount of AIC').waitFor();
    await page.getByLabel('Amount to move').fill('5000');
    assert.ok(await page.getByRole('button', { name: 'Deposit' }).isDisabled());
    await page.getByLabel('Name', { exact: true }).fill('big');
    await page.getByLabel('May spend at most').fill('4');
    await page.getByText('You have 3 AIC free.').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Make key' }).isDisabled());
    await page.getByLabel('Amount to move').fill('1');
    await page.getByRole('button', { name: 'Withdraw' }).click();
    await figure(page, 'Free to give to keys', '2 AIC');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in with your wallet' }).waitFor();
  });

  test('a device names a payout address: typed wrong, taken from a wallet, signed by the device, and on chain', async () => {
    const wallet = new TestWallet();
    const page = await open('', [wallet]);
    const earnings = page.getByRole('region', { name: 'Earnings of this device' });
    await earnings.getByText('Name a payout address to be paid.').waitFor();
    await earnings.getByRole('button', { name: 'Name a payout address' }).click();
    await earnings.getByLabel('Address to pay to').fill('0x12');
    await earnings.getByText('An address is 0x and 40').waitFor();
    await earnings.getByLabel('Address to pay to').fill('');
    await picture(page, 'payout');
    await earnings.getByRole('button', { name: wallet.name }).click();
    await page.waitForFunction(() => document.querySelector<HTMLInputElement>('.payout-form input')?.value.length === 42);
    await earnings.getByRole('button', { name: 'Pay to this address' }).click();
    await earnings.getByText('Paid to').waitFor();
    const device = (await earnings.getByText('Account of this device').locator('span').getAttribute('title')) as Address;
    assert.equal(await relay.chain.relayChain.chain.payoutOf(device), wallet.address);
    await picture(page, 'earnings');

    const second = `0x${'7'.repeat(40)}`;
    await earnings.getByRole('button', { name: 'Change the payout address' }).click();
    await earnings.getByLabel('Address to pay to').fill(second);
    await earnings.getByRole('button', { name: 'Pay to this address' }).click();
    await earnings.getByText('0x7777…7777').waitFor();
    assert.equal(await relay.chain.relayChain.chain.payoutOf(device), second);
  });

  test('earnings show where the money is, and the payroll file to claim with', async () => {
    const context = await browser.newContext();
    contexts.push(context);
    const page = await context.newPage();
    await page.route('**/v1/accounts/*/earnings', (route) =>
      route.fulfill({
        json: {
          account: `0x${'1'.repeat(40)}`,
          earned: (aic / 400n).toString(),
          pending: (2n * aic).toString(),
          claimable: '1',
          paid: (1234n * aic).toString(),
          payout: null,
          nonce: '0',
          direct: [
            {
              payer: `0x${'2'.repeat(40)}`,
              session_key: `0x${'3'.repeat(40)}`,
              claimed: (3n * aic).toString(),
              paid_out: aic.toString(),
            },
          ],
        },
      }),
    );
    await page.route('**/v1/payroll/*/epochs', (route) =>
      route.fulfill({
        json: {
          object: 'list',
          data: [
            { epoch: 4, root: '0x', total: '1', ready_at: null, state: 'current' },
            { epoch: 5, root: '0x', total: '1', ready_at: 1, state: 'cancelled' },
          ],
        },
      }),
    );
    await page.goto(relay.url);
    await figure(page, 'Not yet settled', '0.0025 AIC');
    await figure(page, 'Settling', '2 AIC');
    await figure(page, 'Ready to be paid', '2 AIC');
    await figure(page, 'Paid', '1,235 AIC');
    assert.equal(await page.getByRole('link', { name: 'Payroll file 4' }).getAttribute('href'), '/v1/payroll/epochs/4');
    await picture(page, 'earning');
  });

  test('on a phone nothing is wider than the screen, every control has a name, text has contrast in light and dark', async () => {
    const wallet = new TestWallet();
    const page = await withBalance(wallet, '9');
    await page.setViewportSize(phone);
    await fillKey(page, 'x'.repeat(128), '9');
    await page.getByText('is ready').waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), phone.width);
    assert.deepEqual(await page.evaluate(unnamedControls), []);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(weakText), [], colorScheme);
    }
  });

  test('the way back from the keys leaves the main screen as it was', async () => {
    const page = await open('');
    await page.getByRole('link', { name: 'Keys' }).click();
    await page.getByText('No wallet has announced itself').waitFor();
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'API keys');
    await page.getByRole('link', { name: 'Contribute' }).click();
    await page.getByRole('heading', { name: 'Lend this tab' }).waitFor();
    assert.equal(await page.getByRole('heading', { name: 'API keys' }).count(), 0);
  });

  test('a free network shows none of it, and loads no contract library', async () => {
    const context = await browser.newContext();
    contexts.push(context);
    const page = await context.newPage();
    const loaded: string[] = [];
    page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
    await page.goto(`${relay.freeUrl}/#keys`);
    await page.getByRole('heading', { name: 'Lend this tab' }).waitFor();
    await page.getByRole('banner').getByText('Online').waitFor({ state: 'attached' });
    assert.equal(await page.getByRole('link', { name: 'Keys' }).count(), 0);
    assert.equal(await page.getByText('Earnings').count(), 0);
    assert.ok(loaded.includes('/v1/network/terms'));
    assert.deepEqual(
      loaded.filter((path) => /keys-screen|earnings|wallet|pocket|\/v1\/(auth|accounts|price)/.test(path)),
      [],
    );
  });

  // Last: the chain's clock is an hour ahead from here on.
  test('what an ended key did not spend is released once its claim window is over', async () => {
    const wallet = new TestWallet();
    const page = await withBalance(wallet, '8');
    await fillKey(page, 'short', '8');
    await page.getByRole('region', { name: 'The key “short” is ready' }).waitFor();
    const row = page.getByRole('listitem').filter({ hasText: 'short' });
    await row.getByRole('button', { name: 'Revoke short' }).click();
    await row.getByRole('button', { name: 'Revoke short for good' }).click();
    await page.getByRole('button', { name: 'End it on chain' }).click();
    const ended = page.getByRole('note').filter({ hasText: '“short” has ended' });
    await ended.getByText('8 AIC that it did not spend can come back from').waitFor();
    assert.equal(await ended.getByRole('button').count(), 0);
    await relay.chain.rpc('evm_increaseTime', [await relay.chain.relayChain.chain.claimWindow()]);
    await relay.chain.rpc('evm_mine');
    await page.reload();
    await ended.getByRole('button', { name: 'Release 8 AIC' }).waitFor();
    await picture(page, 'release');
    await ended.getByRole('button', { name: 'Release 8 AIC' }).click();
    await figure(page, 'Free to give to keys', '8 AIC');
    assert.equal(await ended.count(), 0);
  });
});
