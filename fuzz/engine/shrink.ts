/** Makes a found input smaller, as long as `isSame` says that it still shows the same bug. */
import type { FuzzInput } from './target.ts';

/** Tries are runs of the decoder. */
const maxTries = 1500;

export async function shrink(input: FuzzInput, isSame: (smaller: FuzzInput) => Promise<boolean>): Promise<FuzzInput> {
  let smallest = input;
  let tries = 0;
  const attempt = async (smaller: FuzzInput): Promise<boolean> => {
    if (smaller.length >= smallest.length || tries++ > maxTries || !(await isSame(smaller))) return false;
    smallest = smaller;
    return true;
  };
  if (typeof input === 'string') await shrinkJson(input, attempt);
  for (let part = Math.ceil(smallest.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let at = 0; at < smallest.length && tries <= maxTries; ) {
      if (!(await attempt(without(smallest, at, part)))) at += part;
    }
  }
  return smallest;
}

function without(input: FuzzInput, at: number, length: number): FuzzInput {
  if (typeof input === 'string') return (input.slice(0, at) + input.slice(at + length)).toWellFormed();
  const rest = new Uint8Array(input.length - Math.min(length, input.length - at));
  rest.set(input.subarray(0, at));
  rest.set(input.subarray(at + length), at);
  return rest;
}

/** Leaves out one key or entry after the other. */
async function shrinkJson(text: string, attempt: (smaller: string) => Promise<boolean>): Promise<void> {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return;
  }
  const visit = async (node: unknown, depth: number): Promise<void> => {
    if (typeof node !== 'object' || node === null || depth > 64) return;
    for (const key of Object.keys(node).reverse()) {
      const holder = node as Record<string, unknown>;
      const kept = holder[key];
      if (Array.isArray(node)) node.splice(Number(key), 1);
      else delete holder[key];
      if (await attempt(write(root))) continue;
      if (Array.isArray(node)) node.splice(Number(key), 0, kept);
      else Object.defineProperty(holder, key, { value: kept, enumerable: true, configurable: true, writable: true });
      await visit(kept, depth + 1);
    }
  };
  await visit(root, 0);
}

function write(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}
