/** Inputs that once were a bug: kept as files, each tried again in every test run. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from './judge.ts';

const folder = fileURLToPath(new URL('../cases', import.meta.url));
const targets = fileURLToPath(new URL('../targets', import.meta.url));

export interface FuzzCase {
  /** What it showed, as the file is called. */
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Names of all targets, in order. */
export function targetNames(): string[] {
  const ending = '.fuzz.ts';
  return readdirSync(targets)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();
}

export function casesOf(target: string): FuzzCase[] {
  const place = join(folder, target);
  if (!existsSync(place)) return [];
  return readdirSync(place)
    .sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(place, name))) }));
}

/** Returns the path from the repository's root, or null for a finding that no single input shows. */
export function keepCase(target: string, { kind, name, input }: Finding): string | null {
  if (!input) return null;
  const words = `${kind} ${name}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60);
  const hash = createHash('sha256').update(input).digest('hex').slice(0, 8);
  const file = `${words}-${hash}`;
  mkdirSync(join(folder, target), { recursive: true });
  writeFileSync(join(folder, target, file), input);
  return `fuzz/cases/${target}/${file}`;
}
