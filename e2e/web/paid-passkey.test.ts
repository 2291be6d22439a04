/** A device earns, adds a passkey and is lost; the passkey alone, on another device, names where its earnings go. On a real chain. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ExactEvmScheme } from '@x402/evm';
import { wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import type { BrowserContext, Page } from 'playwright-core';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import type { Address } from '../../shared/receipts/hex.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { type ChainUnderTest, openChainUnderTest, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { ProviderTab, TabNetwork } from '../harness/tab-network.ts';
import { until } from '../harness/until.ts';
import { unnamedControls, weakText } from './page-checks.ts';
import { type PasskeyCredential, VirtualAuthenticator } from './virtual-authenticator.ts';

const aic = 10n ** 18n;
const phone = { width: 360, height: 740 };
const pictures = process.env.VESSEL_PICTURES;

describe('a passkey for the earnings of a device', { skip: skipWithoutBrowser || skipWithoutAnvil }, () => {
  let chain: ChainUnderTest;
  let network: TabNetwork;
  /** The device that earns, and its account. */
  let device: BrowserContext;
  let page: Page;
  let authenticator: VirtualAuthenticator;
  let account: Address;
  let passkey: PasskeyCredential;

  before(async () => {
    chain = await openChainUnderTest();
    network = await TabNetwork.start({
      split: [8],
      chain: chain.relayChain,
      payments: { epochMs: 1e9, tickMs: 1e9, minPayout: 1n, minClaim: 1n },
    });
  });
  after(async () => {
    await network?.close();
    await chain?.close();
  });

  /** By name: browsers make no passkeys for numeric addresses. */
  const home = () => `http://localhost:${network.relay.port}`;
  const reader = () => chain.relayChain.chain;
  const earningsOf = (of: Page) => of.getByRole('region', { name: 'Earnings of this device' });

  async function visit(): Promise<{ context: BrowserContext; page: Page; authenticator: VirtualAuthenticator }> {
    const context = await network.browser.newContext();
    const opened = await context.newPage();
    opened.setDefaultTimeout(60_000);
    const authenticator = await VirtualAuthenticator.install(opened);
    await opened.goto(home());
    await earningsOf(opened).waitFor();
    return { context, page: opened, authenticator };
  }

  async function picture(of: Page, name: string): Promise<void> {
    if (pictures === undefined) return;
    for (const colorScheme of ['light', 'dark'] as const) {
      await of.emulateMedia({ colorScheme });
      for (const [kind, viewport] of [['desk', { width: 1280, height: 900 }] as const, ['phone', phone] as const]) {
        await of.setViewportSize(viewport);
        await of.screenshot({ path: `${pictures}/${name}-${colorScheme}-${kind}.png`, fullPage: true });
      }
    }
  }

  test('a tab earns by its device key alone, and its epoch closes with nobody to pay', async () => {
    ({ context: device, page, authenticator } = await visit());
    await new ProviderTab(page).start();
    await until('the model is ready', () => network.relay.coordinator.isReady(network.model));
    account = (await earningsOf(page).getByText('Account of this device').locator('span').getAttribute('title')) as Address;

    const payer = privateKeyToAccount(generatePrivateKey());
    await chain.relayChain.faucet!.give(payer.address.toLowerCase() as Address);
    const net = `eip155:${reader().place.chainId}` as const;
    const paying = wrapFetchWithPaymentFromConfig(fetch, {
      schemes: [{ network: net, client: new ExactEvmScheme(payer) }],
      spendControls: { allowedAssets: [{ network: net, asset: reader().addresses.aic, maxAmountPerPayment: aic.toString() }] },
    });
    const response = await paying(`${home()}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'vessel-tiny', messages: [{ role: 'user', content: 'What is WebGPU?' }], max_tokens: 16 }),
    });
    assert.equal(response.status, 200, await response.clone().text());

    const { payments } = network.relay;
    await payments!.closeEpoch();
    await until('the epoch is accepted', async () => {
      await chain.rpc('evm_increaseTime', [30]);
      await chain.rpc('evm_mine');
      return (await payments!.advance()).state === 'open' && (await reader().currentOf(payments!.terms.operator)).epoch === 1;
    });
    assert.equal((await reader().paidOf(payments!.terms.operator, account)).paid, 0n, 'no payout address, no payment');
  });

  test('the device adds a passkey as a second key of its account, on chain; a reload still says so', async () => {
    const earnings = earningsOf(page);
    await earnings.getByText('so that losing this device loses nothing').waitFor();
    await picture(page, 'passkey-offer');
    await earnings.getByRole('button', { name: 'Add a passkey' }).click();
    await earnings.getByText('Protected by a passkey.').waitFor();
    const [made, ...more] = await authenticator.credentials();
    assert.deepEqual([more.length, made?.isResidentCredential, made?.rpId], [0, true, 'localhost']);
    assert.equal(`0x${Buffer.from(made!.userHandle!, 'base64').toString('hex')}`, account);
    passkey = made!;
    const known = await page.evaluate(() => localStorage.getItem('vessel.passkey'));
    const { key } = JSON.parse(known!) as { key: Address };
    assert.notEqual(key, account);
    assert.equal(await reader().isKeyOf(account, key), true);
    await page.reload();
    await earnings.getByText('Protected by a passkey.').waitFor();
    await picture(page, 'passkey-added');
  });

  test('the device is lost: from another one the passkey alone names a payout address on chain, and the claim pays it', async () => {
    await device.close();
    const other = await visit();
    const earnings = earningsOf(other.page);
    const own = await earnings.getByText('Account of this device').locator('span').getAttribute('title');
    assert.notEqual(own, account);

    await earnings.getByRole('button', { name: 'Use its passkey' }).click();
    await earnings.getByText('no passkey of this site is at hand').waitFor();
    await other.authenticator.bring(passkey);
    await earnings.getByRole('button', { name: 'Use its passkey' }).click();
    const lost = other.page.getByRole('region', { name: `Device ${account.slice(0, 6)}` });
    await lost.getByText('ready to be paid').waitFor();
    const payout = `0x${'5a'.repeat(20)}` as const;
    await lost.getByLabel('Address to pay to').fill(payout);
    await picture(other.page, 'passkey-recover');
    await other.page.setViewportSize(phone);
    assert.equal(await other.page.evaluate(() => document.documentElement.scrollWidth), phone.width);
    assert.deepEqual(await other.page.evaluate(unnamedControls), []);
    for (const colorScheme of ['light', 'dark'] as const) {
      await other.page.emulateMedia({ colorScheme });
      assert.deepEqual(await other.page.evaluate(weakText), [], colorScheme);
    }
    await lost.getByRole('button', { name: 'Pay to this address' }).click();
    await lost.getByText('Paid to').waitFor();
    assert.equal(await reader().payoutOf(account), payout);
    assert.equal(await reader().payoutOf(own as Address), null);

    const { payments } = network.relay;
    await payments!.advance();
    const { paid } = await reader().paidOf(payments!.terms.operator, account);
    assert.ok(paid > 0n);
    assert.equal(await reader().aicOf(payout), paid);
    assert.equal((await network.relay.checkBooks!()).difference, 0n);
    await other.context.close();
  });

  test('a passkey that the account never added is told so, and signs nothing for it', async () => {
    const other = await visit();
    const earnings = earningsOf(other.page);
    // Made here, and refused before the relay has it: the gas limit, as when six others have just asked.
    await other.page.route('**/v1/accounts/payout', (route) =>
      route.fulfill({
        status: 429,
        json: {
          error: {
            message: 'Too many requests: at most 6 per minute.',
            type: 'rate_limit_error',
            param: null,
            code: 'rate_limited',
          },
        },
      }),
    );
    await earnings.getByRole('button', { name: 'Add a passkey' }).click();
    await earnings.getByText('at most 6 per minute').waitFor();
    assert.equal((await other.authenticator.credentials()).length, 1);
    assert.equal(await earnings.getByText('Protected by a passkey.').count(), 0);
    await earnings.getByRole('button', { name: 'Use its passkey' }).click();
    await earnings.getByText('The chain does not know this passkey').waitFor();
    await other.page.unroute('**/v1/accounts/payout');
    await earnings.getByRole('button', { name: 'Add a passkey' }).click();
    await earnings.getByText('Protected by a passkey.').waitFor();
    assert.equal((await other.authenticator.credentials()).length, 1, 'one passkey for one account');
    await other.context.close();
  });
});
