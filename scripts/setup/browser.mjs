/** Finds a Chromium-based browser, or installs Debian's where this user may. Without one, everything but browser tabs works. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findBrowser } from '../../relay/cli/find-browser.mjs';
import { lastLines, runWithClock, say } from './report.mjs';

const without = 'Without a browser the relay runs and tests that need tabs are skipped by name.';

export async function ensureBrowser({ isOffline }) {
  const named = process.env.VESSEL_BROWSER || process.env.CHROMIUM_PATH;
  if (findBrowser() !== null) return;
  if (named) return say(`no browser at ${named} (VESSEL_BROWSER or CHROMIUM_PATH). ${without}`);
  if (!hasProgram('apt-get')) {
    return say(`no browser found. Install Chromium or Chrome, or set VESSEL_BROWSER=<path>. ${without}`);
  }
  if (isOffline) return say(`no browser found, and VESSEL_SETUP_OFFLINE forbids downloads. ${without}`);
  if (process.getuid?.() !== 0)
    return say(`no browser found. For browser tabs run once: sudo apt-get install -y chromium. ${without}`);
  await installWithApt();
}

async function installWithApt() {
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const steps = [
    ['no browser found: reading the package lists (apt-get update)', ['update']],
    ['installing Chromium (apt-get install -y chromium)', ['install', '-y', 'chromium']],
  ];
  for (const [what, args] of steps) {
    const { code, output, seconds } = await runWithClock(what, 'apt-get', args, options);
    // A failed update may only mean one dead mirror among several: installing is tried all the same.
    if (code !== 0 && args[0] === 'install') {
      say(`Chromium could not be installed; apt-get's last lines:\n${lastLines(output, 8)}`);
      return say(`Install Chromium or Chrome by hand, or set VESSEL_BROWSER=<path>. ${without}`);
    }
    if (code === 0 && args[0] === 'install') say(`Chromium installed in ${seconds} s`);
  }
  if (findBrowser() === null) say(`apt-get installed no usable browser. Set VESSEL_BROWSER=<path>. ${without}`);
}

function hasProgram(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)));
}
