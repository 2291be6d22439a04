/**
 * A Chromium of our own for provider tabs on this machine: a fresh profile that goes when it closes, WebGPU switched on (in software where
 * there is no graphics device), and no way to outlive us: a pipe ties it to this process, and signals that would end us end it first.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { VesselError } from '../../shared/protocol/errors.ts';
import { isProcessAlive } from '../files/process-alive.ts';
import { findBrowser } from './find-browser.mjs';

export interface LaunchOptions {
  /** True if left out; false shows the window. */
  headless?: boolean;
  /** Further command-line switches. */
  extraArgs?: string[];
  env?: Record<string, string | undefined>;
}

export interface Tab {
  page: Page;
  context: BrowserContext;
  /** Closes the tab and forgets its storage. */
  close(): Promise<void>;
}

export interface HeadlessBrowser {
  executable: string;
  /** e.g. "156.0.7000.0" */
  version: string;
  /** A tab in a context of its own: contexts share no OPFS, no IndexedDB and no cookies, as if they were different people. */
  openTab(url: string): Promise<Tab>;
  /** For a test that wants several pages of one visitor. */
  newContext(): Promise<BrowserContext>;
  /** Resolves when the browser has ended, however that came. */
  closed: Promise<void>;
  close(): Promise<void>;
}

const switches = [
  '--no-sandbox',
  // Without it there is no adapter where the graphics device is not on Chromium's list (or is software).
  '--enable-unsafe-webgpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // Tabs on one machine find each other by address; mDNS names need a service that containers lack.
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  // A container's /dev/shm is often 64 MB: too small for weights in flight.
  '--disable-dev-shm-usage',
];

const profilePrefix = 'vessel-browser-';
/** Tabs may be busy compiling shaders when the browser is told to close; after this it ends with our process at the latest. */
const closeWaitMs = 10_000;

/** Throws VesselError `unsupported` with advice when there is no browser or it does not start. */
export async function launchBrowser({
  headless = true,
  extraArgs = [],
  env = process.env,
}: LaunchOptions = {}): Promise<HeadlessBrowser> {
  const executable = findBrowser(env);
  if (executable === null) throw new VesselError('unsupported', noBrowserText(env));
  removeDeadProfiles();
  // The process id in the name says later whose profile this was, should we be killed without a chance to clean up.
  const profile = mkdtempSync(join(tmpdir(), `${profilePrefix}${process.pid}-`));
  const removeProfile = () => rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  const first = await start(executable, profile, headless, extraArgs).catch((cause) => {
    removeProfile();
    throw new VesselError(
      'unsupported',
      `The browser ${executable} does not start: ${firstLine(cause)}. Set VESSEL_BROWSER to another one.`,
      { cause },
    );
  });
  const browser = first.browser();
  if (browser === null) throw new VesselError('internal', 'The browser context has no browser.');
  process.on('exit', removeProfile);
  const end = async () => {
    await Promise.race([browser.close(), new Promise((resolve) => setTimeout(resolve, closeWaitMs).unref())]);
    // Not on `disconnected`: Chromium still writes to its profile after it has hung up.
    removeProfile();
    process.off('exit', removeProfile);
  };
  const releaseSignals = closeOnSignals(end);
  const closed = new Promise<void>((resolve) =>
    browser.once('disconnected', () => {
      releaseSignals();
      resolve();
    }),
  );
  return {
    executable,
    version: browser.version(),
    newContext: () => browser.newContext(),
    openTab: (url) => openTab(browser, url),
    closed,
    close: end,
  };
}

function start(executable: string, profile: string, headless: boolean, extraArgs: string[]): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, {
    executablePath: executable,
    headless,
    // Signals are ours: the command that started the browser closes it in its own order.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    // Playwright's own --headless picks the old mode on some builds; it has no WebGPU.
    args: [...(headless ? ['--headless=new'] : []), ...mergeFeatureSwitches([...switches, ...extraArgs])],
  });
}

async function openTab(browser: Browser, url: string): Promise<Tab> {
  const context = await browser.newContext();
  const page = await context.newPage();
  try {
    await page.goto(url);
  } catch (cause) {
    await context.close();
    throw new VesselError('internal', `The page ${url} does not open: ${firstLine(cause)}.`, { cause });
  }
  return { page, context, close: () => context.close() };
}

/** Chromium reads only the last --disable-features and --enable-features; several are made one. */
function mergeFeatureSwitches(args: string[]): string[] {
  const features = new Map<string, string[]>();
  const rest = args.filter((arg) => {
    const match = /^(--(?:enable|disable)-features)=(.*)$/.exec(arg);
    if (!match) return true;
    features.set(match[1]!, [...(features.get(match[1]!) ?? []), match[2]!]);
    return false;
  });
  return [...rest, ...[...features].map(([name, values]) => `${name}=${values.join(',')}`)];
}

/**
 * Where nobody else listens to a signal it would end this process without a clean-up: close the browser first, then let the signal
 * through. Where the command listens (as `vessel start` does), it closes the browser itself.
 */
function closeOnSignals(close: () => Promise<void>): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = (signal: NodeJS.Signals) => {
    if (process.listenerCount(signal) > 1) return;
    void close()
      .catch(() => {})
      .finally(() => {
        process.off(signal, onSignal);
        process.kill(process.pid, signal);
      });
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

function removeDeadProfiles(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(profilePrefix) ? Number.parseInt(name.slice(profilePrefix.length), 10) : Number.NaN;
    if (pid > 0 && !isProcessAlive(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function noBrowserText(env: Record<string, string | undefined>): string {
  const named = env.VESSEL_BROWSER || env.CHROMIUM_PATH;
  if (named) return `There is no browser at ${named} (VESSEL_BROWSER or CHROMIUM_PATH).`;
  return 'No Chromium-based browser was found. Install one (Debian: sudo apt-get install -y chromium) or set VESSEL_BROWSER=<path>.';
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.replace(/\.$/, '');
}
