import { readFileSync } from 'node:fs';

/** The bytes of a file under `testing/fixtures`. */
export function fixtureBytes(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`./fixtures/${path}`, import.meta.url)));
}

/** The parsed content of a JSON file under `testing/fixtures`. */
export function fixtureJson(path: string): unknown {
  return JSON.parse(new TextDecoder().decode(fixtureBytes(path)));
}
