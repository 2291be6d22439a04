/**
 * Where a Chromium-based browser lies on this machine. Plain JavaScript, because the setup needs it before TypeScript runs.
 * A browser named by VESSEL_BROWSER or CHROMIUM_PATH is the only candidate: a wrong path must not silently pick another one.
 */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const linuxPaths = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/microsoft-edge',
  '/usr/bin/microsoft-edge-stable',
];
const macPaths = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
];
/** Inside a revision folder of Playwright's cache. */
const playwrightPaths = [
  'chrome-linux/chrome',
  'chrome-linux64/chrome',
  'chrome-mac/Chromium.app/Contents/MacOS/Chromium',
  'chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
  'chrome-win/chrome.exe',
];

/** The path of a browser that can be started, or null. */
export function findBrowser(env = process.env) {
  const named = env.VESSEL_BROWSER || env.CHROMIUM_PATH;
  const candidates = named ? [named] : [...linuxPaths, ...macPaths, ...windowsPaths(env), ...playwrightCandidates(env)];
  return candidates.find(isExecutable) ?? null;
}

function windowsPaths(env) {
  const folders = [env.PROGRAMFILES, env['PROGRAMFILES(X86)'], env.LOCALAPPDATA].filter(Boolean);
  const programs = ['Google/Chrome/Application/chrome.exe', 'Microsoft/Edge/Application/msedge.exe'];
  return folders.flatMap((folder) => programs.map((program) => join(folder, program)));
}

function playwrightCandidates(env) {
  const home = env.HOME || homedir();
  const caches = [
    env.PLAYWRIGHT_BROWSERS_PATH,
    join(home, '.cache/ms-playwright'),
    join(home, 'Library/Caches/ms-playwright'),
  ].filter(Boolean);
  return caches.flatMap((cache) =>
    revisions(cache).flatMap((revision) => playwrightPaths.map((path) => join(cache, revision, path))),
  );
}

/** Newest first; the headless shell is left out because it has no WebGPU. */
function revisions(cache) {
  try {
    const number = (name) => Number(name.split('-')[1]);
    return readdirSync(cache)
      .filter((name) => /^chromium-\d+$/.test(name))
      .sort((a, b) => number(b) - number(a));
  } catch {
    return [];
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
