import { findBrowser } from '../relay/cli/find-browser.mjs';

/** For the `skip` option of tests that need tabs: false where there is a browser, else the reason. */
export const skipWithoutBrowser: string | false =
  findBrowser() === null ? 'no Chromium-based browser: install one or set VESSEL_BROWSER' : false;
