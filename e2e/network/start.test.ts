/** `vessel start`, as a stranger runs it. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type HeadlessBrowser, launchBrowser } from '../../relay/cli/headless-browser.ts';
import { usualPort } from '../../relay/cli/serve-options.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { tabAnswer } from '../harness/tab-answer.ts';
import { VesselProcess } from '../harness/vessel-process.ts';

function pageAddress({ stdout }: { stdout: string }): string {
  return /page +(http:\S+)/.exec(stdout)![1]!;
}

const isRunning = ({ stdout }: { stdout: string }) => stdout.includes('Ctrl-C ends everything');

describe('a whole network from one command', { skip: skipWithoutBrowser }, () => {
  let vessel: VesselProcess;
  let browser: HeadlessBrowser;
  let url: string;

  before(async () => {
    vessel = new VesselProcess(['start', '--port', '0', '--backend', 'wasm']);
    browser = await launchBrowser();
    await vessel.until('it is running', isRunning);
    url = pageAddress(vessel);
  });
  after(async () => {
    await browser?.close();
    await vessel?.dispose();
  });

  test('it says where page and API are, and which folder it uses', () => {
    assert.match(vessel.stdout, /page +http:\/\/127\.0\.0\.1:\d+\n/);
    assert.match(vessel.stdout, /curl http:.*chat\/completions/);
    assert.ok(vessel.stderr.includes(`data folder: ${vessel.home}`), vessel.stderr);
  });

  test('the curl it prints works', async () => {
    const [, key] = /authorization: Bearer (vsl_\S+)'/.exec(vessel.stdout)!;
    const { text, expected } = await tabAnswer(url, key);
    assert.equal(text, expected);
    const health = (await (await fetch(`${url}/health`)).json()) as { ok: boolean; providers: number };
    assert.deepEqual([health.ok, health.providers], [true, 2]);
  });

  test('the page opens without an error and shows the model', async () => {
    const { page, close } = await browser.openTab('about:blank');
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(url);
    await page.getByRole('option', { name: 'vessel-tiny' }).waitFor({ state: 'attached' });
    await page.getByRole('button', { name: 'Start contributing' }).waitFor();
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a second start with the same data folder is refused and says why; the first goes on', async () => {
    const second = new VesselProcess(['start', '--port', '0', '--tabs', '0'], { VESSEL_HOME: vessel.home });
    try {
      const { code, stderr, stdout } = await second.ended;
      assert.equal(code, 1);
      assert.match(stderr, /error: The data folder .* is used by another relay/);
      assert.equal(stdout, '');
      assert.deepEqual(await second.leftovers(), []);
    } finally {
      await second.dispose();
    }
    assert.equal((await fetch(`${url}/health`)).status, 200);
  });

  test('Ctrl-C ends it: no process, no profile, no port, no lock stays', async () => {
    vessel.signal('SIGINT');
    const { code, stderr } = await vessel.ended;
    assert.ok(code === 0 || code === 130, `${code} ${stderr}`);
    assert.match(stderr, /closing/);
    assert.deepEqual(await vessel.leftovers(), []);
    await assert.rejects(fetch(`${url}/health`));
    const again = new VesselProcess(['start', '--port', '0', '--tabs', '0'], { VESSEL_HOME: vessel.home });
    try {
      await again.until('it is running again', isRunning);
    } finally {
      await again.dispose();
    }
  });
});

test('where the usual port is taken, another one is chosen and said', async () => {
  const occupant = createServer();
  await new Promise<void>((resolve) => {
    // Taken by somebody else already: so much the better.
    occupant.once('error', () => resolve());
    occupant.listen(usualPort, '127.0.0.1', resolve);
  });
  const vessel = new VesselProcess(['start', '--tabs', '0']);
  try {
    await vessel.until('it is running', isRunning);
    const url = pageAddress(vessel);
    assert.notEqual(new URL(url).port, String(usualPort));
    assert.equal((await fetch(`${url}/health`)).status, 200);
  } finally {
    await vessel.dispose();
    occupant.close();
  }
});

test('a port that was asked for and is taken is an error that says what to do', async () => {
  const occupant = createServer();
  await new Promise<void>((resolve) => occupant.listen(0, '127.0.0.1', resolve));
  const { port } = occupant.address() as { port: number };
  const vessel = new VesselProcess(['start', '--tabs', '0', '--port', String(port)]);
  try {
    const { code, stderr } = await vessel.ended;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`Port ${port} is taken. Choose another one with --port`));
    assert.deepEqual(await vessel.leftovers(), []);
  } finally {
    await vessel.dispose();
    occupant.close();
  }
});

test('without a browser it runs, and says what to do to have providers', async () => {
  const vessel = new VesselProcess(['start', '--port', '0'], { VESSEL_BROWSER: '/nonexistent' });
  try {
    await vessel.until('it is running', isRunning);
    assert.match(vessel.stderr, /no Chromium found.*open the page yourself and press Start contributing/);
    assert.match(vessel.stdout, /Open the page in two tabs and press Start contributing/);
    const { models } = (await (await fetch(`${pageAddress(vessel)}/health`)).json()) as {
      models: { name: string; ready: boolean }[];
    };
    assert.ok(models.some(({ name, ready }) => name === 'vessel-tiny' && !ready));
    vessel.signal('SIGTERM');
    await vessel.ended;
    assert.deepEqual(await vessel.leftovers(), []);
  } finally {
    await vessel.dispose();
  }
});
