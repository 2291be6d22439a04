import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { type Scene, scenes } from '../../web/app/testing/scenes.ts';
import { unnamedControls, weakText } from './page-checks.ts';
import { servePage } from './page-server.ts';

const desk = { width: 1280, height: 900 };
const phone = { width: 360, height: 740 };
const androidAgent =
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36';

let outDir: string;
let server: { origin: string; close(): void };
let browser: Browser;
/** Everything the pages of one test complained about or fetched from elsewhere. */
let complaints: string[] = [];

before(async () => {
  outDir = await mkdtemp(path.join(tmpdir(), 'vessel-page-'));
  server = await servePage(outDir);
  browser = await chromium.launch({
    executablePath: process.env.VESSEL_BROWSER ?? '/usr/bin/chromium',
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
});

after(async () => {
  await browser?.close();
  server?.close();
  if (outDir !== undefined) await rm(outDir, { recursive: true, force: true });
});

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  const found = complaints;
  complaints = [];
  assert.deepEqual(found, [], 'no error, no policy violation, no request to another origin');
});

async function open(scene: Scene, options: BrowserContextOptions & { pace?: number; fail?: string } = {}): Promise<Page> {
  const { pace = 5, fail, ...contextOptions } = options;
  const context = await browser.newContext({ viewport: desk, ...contextOptions });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(server.origin)) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(
    `${server.origin}/app/testing/fake.html?scene=${scene}&pace=${pace}${fail === undefined ? '' : `&fail=${fail}`}`,
  );
  await page.getByRole('heading', { name: 'Ask the tabs' }).waitFor();
  await page.getByRole('heading', { name: 'Who holds what' }).waitFor();
  return page;
}

const textOf = (locator: Locator) => locator.innerText();
const main = (page: Page) => page.getByRole('main');
const contribute = (page: Page) => page.getByRole('region', { name: /tab/ }).first();

for (const scene of Object.keys(scenes) as Scene[]) {
  test(`scene ${scene}: every control has a name, nothing is wider than a phone, text has contrast in light and dark`, async () => {
    const page = await open(scene, { viewport: phone });
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    assert.deepEqual(await page.evaluate(unnamedControls), []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), phone.width);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(weakText), [], colorScheme);
    }
  });
}

test('the page has one main heading, landmarks, a language and headings in order', async () => {
  const page = await open('working');
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
  for (const name of ['This tab is lent', 'Ask the tabs', 'Who holds what']) {
    assert.equal(await page.getByRole('region', { name }).count(), 1, name);
  }
  assert.equal(await page.getByRole('navigation', { name: 'Sections' }).getByRole('link').count(), 3);
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  const levels = await page.evaluate(() =>
    Array.from(document.querySelectorAll('h1, h2, h3'), ({ tagName }) => Number(tagName[1])),
  );
  assert.ok(
    levels.every((level, index) => index === 0 || level - levels[index - 1]! <= 1),
    levels.join(' '),
  );
});

test('nothing starts by itself; before Start the page says what others see and can read', async () => {
  const page = await open('off');
  const panel = contribute(page);
  assert.equal(await page.title(), 'Vessel');
  await panel.getByRole('button', { name: 'Start contributing' }).waitFor();
  for (const text of ['Others see your IP address.', 'A provider can read what it computes on.', 'Keep this tab open.']) {
    assert.ok(await panel.getByText(text).isVisible(), text);
  }
});

test('start, see every phase, stop in one click; the title follows', async () => {
  const page = await open('off', { pace: 30 });
  await page.evaluate(() => {
    const seen: string[] = [];
    new MutationObserver(() => {
      seen.push(document.querySelector('.phase-title')?.textContent ?? '', document.title);
    }).observe(document, { subtree: true, childList: true, characterData: true });
    Object.assign(globalThis, { seen });
  });
  await page.getByRole('button', { name: 'Start contributing' }).click();
  await page.waitForFunction(() => document.title === '● Ready – Vessel');
  const seen = await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
  const phases = [
    /^Asking for a share$/,
    /^Downloading 3\.2 of 7\.1 MB$/,
    /^45 % – Vessel$/,
    /^Loading the layers$/,
    /^Checking this device$/,
    /^Getting ready – Vessel$/,
    /^Ready$/,
  ];
  for (const phase of phases)
    assert.ok(
      seen.some((text) => phase.test(text)),
      `${phase} in ${[...new Set(seen)].join(', ')}`,
    );
  await page.getByRole('img', { name: 'This tab holds layers 4–7 of vessel-tiny, which has 8 layers' }).waitFor();
  await contribute(page).getByRole('button', { name: 'Stop contributing' }).click();
  await page.getByRole('button', { name: 'Start contributing' }).waitFor();
  assert.equal(await page.title(), 'Vessel');
});

test('a working tab shows sessions, tokens, data and device', async () => {
  const page = await open('working');
  const text = await textOf(contribute(page));
  for (const part of ['Answering 2 sessions', '1,284', '9.8 MB', '9.9 MB', 'apple m2', '50 %', 'layers 4–7 of vessel-tiny']) {
    assert.ok(text.includes(part), part);
  }
  assert.equal(await page.title(), '● Working – Vessel');
});

test('on a phone what the tab does and Stop stay in sight wherever the page is scrolled', async () => {
  const page = await open('working', { viewport: phone });
  await page.getByRole('heading', { name: 'Who holds what' }).scrollIntoViewIfNeeded();
  const chip = page.getByRole('banner').getByRole('button', { name: 'Stop contributing' });
  const box = await chip.boundingBox();
  assert.ok(box !== null && box.y >= 0 && box.y < phone.height);
  await chip.click();
  await page.getByRole('button', { name: 'Start contributing' }).waitFor();
});

test('settings are chosen by keyboard and kept for Start', async () => {
  const page = await open('off');
  await page.getByText('How much to lend').focus();
  await page.locator('.settings summary').focus();
  await page.keyboard.press('Enter');
  const memory = page.getByRole('slider', { name: 'Memory to lend' });
  await memory.focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await memory.getAttribute('aria-valuetext'), '2 GB');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowRight');
  assert.ok(await page.getByRole('radio', { name: /Fully/ }).isChecked());
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowRight');
  assert.ok(await page.getByRole('radio', { name: /Processor/ }).isChecked());
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  assert.ok(await page.getByRole('checkbox', { name: 'Hide my IP address from others' }).isChecked());
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Start contributing');
  await page.keyboard.press('Enter');
  await page.getByText('Processor: wasm 1 thread, up to 100 % of the time').waitFor();
});

test('ask by keyboard alone: question, streamed answer, figures, next question', async () => {
  const page = await open('off');
  await page.keyboard.press('Tab');
  assert.match((await page.evaluate(() => document.activeElement?.textContent)) ?? '', /^Skip to/);
  const box = page.getByRole('textbox', { name: 'Your question' });
  await box.focus();
  await page.keyboard.type('Tell me');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('a story.');
  assert.equal(await box.inputValue(), 'Tell me\na story.');
  await page.keyboard.press('Enter');
  await page.getByText(/39 tokens · [\d.]+ tokens\/s · first token after/).waitFor();
  assert.match(await textOf(page.getByRole('list', { name: 'Conversation' })), /Pip was a fox .* anyone pass\./);
  assert.equal(await box.inputValue(), '');
  await page.getByRole('button', { name: 'Start over' }).click();
  assert.equal(await page.getByRole('list', { name: 'Conversation' }).count(), 0);
});

test('Stop stops an answer, which keeps its text', async () => {
  const page = await open('off', { pace: 40 });
  await page.getByRole('button', { name: 'What is WebGPU?' }).click();
  await page
    .getByText(/Pip was/)
    .first()
    .waitFor();
  await page.getByRole('button', { name: 'Stop the answer' }).click();
  await page.getByText('Stopped', { exact: true }).waitFor();
  assert.match(await textOf(page.getByRole('list', { name: 'Conversation' })), /Pip was/);
});

test('Escape stops an answer that has not begun', async () => {
  const page = await open('off', { pace: 2000 });
  await page.getByRole('textbox').fill('What is WebGPU?');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Stop the answer' }).waitFor();
  await page.getByRole('textbox').press('Escape');
  await page.getByText('Stopped before the first token').waitFor();
});

test('an error is said in plain words and can be tried again', async () => {
  const page = await open('off', { fail: 'no_route', pace: 60 });
  await page.getByRole('button', { name: 'What is WebGPU?' }).click();
  const alert = page.getByRole('alert');
  await alert.waitFor();
  assert.match(await textOf(alert), /do not hold the whole model[\s\S]*press Start there/);
  await alert.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('Finding a route').waitFor();
  await page.getByRole('alert').waitFor();
});

test('an answer that nobody pays for leads to the keys instead of an error code', async () => {
  const page = await open('off', { fail: 'payment_required', pace: 60 });
  await page.getByRole('button', { name: 'What is WebGPU?' }).click();
  const alert = page.getByRole('alert');
  await alert.waitFor();
  assert.match(await textOf(alert), /Answers cost AIC here[\s\S]*Make an API key that your wallet pays for/);
  assert.equal(await alert.getByRole('link', { name: 'Go to API keys' }).getAttribute('href'), '#keys');
});

test('the route is told in words and moves while tokens flow', async () => {
  const page = await open('off', { pace: 40 });
  await page.getByRole('button', { name: 'What is WebGPU?' }).click();
  await page
    .getByRole('img', { name: 'Route through 2 hops: layers 0–3 on k7Qd, then layers 4–7 on this tab, then back to you' })
    .waitFor();
  await page.locator('.route-dot').first().waitFor();
  await page.getByText('Live route: 2 hops of vessel-tiny').click();
  const row = page.getByRole('row', { name: /4–7/ });
  assert.match(await textOf(row), /aB3f \(this tab\)\s+WebGPU, apple m2/);
});

test('whoever asked for less motion gets counters, no dots', async () => {
  const page = await open('off', { reducedMotion: 'reduce', pace: 40 });
  await page.getByRole('button', { name: 'What is WebGPU?' }).click();
  await page.getByText(/^[3-9] tokens back/).waitFor();
  assert.equal(await page.locator('.route-dot').count(), 0);
});

test('without WebGPU the processor is offered, and asking works', async () => {
  const page = await open('no-webgpu');
  assert.match(await textOf(contribute(page)), /No WebGPU here[\s\S]*This browser does not offer WebGPU/);
  assert.equal(await page.getByRole('radio', { name: /Graphics/ }).count(), 0);
  await page.getByRole('button', { name: 'What is WebGPU?' }).click();
  await page.getByText(/tokens\/s/).waitFor();
  await page.getByRole('button', { name: 'Start contributing' }).click();
  await page.getByText('Processor: wasm 1 thread').waitFor();
});

test('an insecure address says what to open instead, and neither starts nor asks', async () => {
  const page = await open('insecure');
  assert.match(await textOf(main(page).getByRole('alert')), /https:\/\/[\s\S]*http:\/\/localhost[\s\S]*WebGPU, storage and keys/);
  assert.ok(await page.getByRole('button', { name: 'Start contributing' }).isDisabled());
  await page.getByRole('textbox').fill('Hello');
  assert.ok(await page.getByRole('button', { name: 'Ask', exact: true }).isDisabled());
});

test('an unreachable relay is said to be reconnecting', async () => {
  const page = await open('offline');
  assert.match(await textOf(page.getByRole('banner')), /Reconnecting/);
  assert.match(await textOf(main(page).getByRole('alert')), /cannot be reached/);
});

test('a model nobody holds says how to change that, and which layers are missing', async () => {
  const nobody = await open('nobody');
  assert.match(await textOf(nobody.getByRole('note')), /another tab or on another device/);
  const half = await open('half');
  await half.getByText('Still missing: layers 4–7.').waitFor();
});

test('a browser that keeps nothing says so', async () => {
  const page = await open('memory');
  assert.match(await textOf(contribute(page)), /keeps nothing between visits/);
});

test('a hidden phone pauses and comes back; a hidden computer works on', async () => {
  const hide = (page: Page, state: 'hidden' | 'visible') =>
    page.evaluate((visibility) => {
      Object.defineProperty(document, 'visibilityState', { value: visibility, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  const onPhone = await open('working', { viewport: phone, userAgent: androidAgent });
  await hide(onPhone, 'hidden');
  await onPhone.getByText('Paused').first().waitFor();
  await hide(onPhone, 'visible');
  await onPhone.getByText('Waiting for somebody to ask.').waitFor();
  const onDesk = await open('working');
  await hide(onDesk, 'hidden');
  assert.match(await textOf(contribute(onDesk)), /Answering 2 sessions/);
});

test('the web manifest names icons that exist in their sizes', async () => {
  const folder = path.join(import.meta.dirname, '../../public');
  const manifest = JSON.parse(await readFile(path.join(folder, 'manifest.webmanifest'), 'utf8'));
  assert.equal(manifest.display, 'standalone');
  assert.deepEqual(new Set(manifest.icons.map((icon: { purpose: string }) => icon.purpose)), new Set(['any', 'maskable']));
  for (const { src, sizes, type } of manifest.icons) {
    const bytes = await readFile(path.join(folder, src));
    if (type === 'image/png') assert.equal(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, sizes, src);
  }
});
