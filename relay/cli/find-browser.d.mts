/** The path of a Chromium-based browser that can be started, or null. Reads VESSEL_BROWSER and CHROMIUM_PATH first. */
export function findBrowser(env?: Record<string, string | undefined>): string | null;
