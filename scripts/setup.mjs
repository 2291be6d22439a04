#!/usr/bin/env node
/**
 * Makes a fresh clone ready to run: dependencies (installed under the Node that package.json pins) and a browser.
 * Plain JavaScript without dependencies, because it runs before anything is installed, on Node 18 or newer.
 * Running it again is free: it compares a stamp and returns. `npm start` and `npm test` call it by themselves.
 */
import { fileURLToPath } from 'node:url';
import { findBrowser } from '../relay/cli/find-browser.mjs';
import { ensureBrowser } from './setup/browser.mjs';
import { areDependenciesReady, ensureDependencies } from './setup/dependencies.mjs';
import { withSetupLock } from './setup/lock.mjs';
import { fail, SetupError, say } from './setup/report.mjs';

const help = `usage: node scripts/setup.mjs [--no-browser]

Installs what Vessel needs: the packages of package-lock.json (under the Node version that package.json pins) and,
where it may, Chromium. Skips whatever is already there.

  --no-browser            leave the browser alone
  --help                  this text

environment
  VESSEL_SETUP_OFFLINE=1  download nothing; say what is missing
  VESSEL_BROWSER=<path>   the browser to use (CHROMIUM_PATH works too)
`;

async function main(args) {
  const unknown = args.find((arg) => !['--help', '-h', '--no-browser'].includes(arg));
  if (unknown !== undefined) throw new SetupError(`unknown option ${unknown}`, 'Run: node scripts/setup.mjs --help');
  if (args.includes('--help') || args.includes('-h')) return void process.stdout.write(help);
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 18) {
    throw new SetupError(
      `Node ${process.versions.node} is too old for the setup`,
      'Install Node 18 or newer; Vessel brings its own Node 24 after that.',
    );
  }
  const root = fileURLToPath(new URL('..', import.meta.url));
  const isOffline = !['', '0', undefined].includes(process.env.VESSEL_SETUP_OFFLINE);
  const wantsBrowser = !args.includes('--no-browser');
  if (areDependenciesReady(root) && (!wantsBrowser || findBrowser() !== null)) return;
  await withSetupLock(root, async () => {
    await ensureDependencies(root, { isOffline });
    if (wantsBrowser) await ensureBrowser({ isOffline });
  });
}

main(process.argv.slice(2)).catch((error) => {
  if (!(error instanceof SetupError)) say(error?.stack ?? String(error));
  fail(error);
});
