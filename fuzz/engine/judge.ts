/** Tells a decoder's refusal from a finding. */
import { VesselError } from '../../shared/protocol/errors.ts';
import type { FuzzTarget } from './target.ts';

export type FindingKind = 'crash' | 'slow' | 'allocation' | 'hang' | 'memory' | 'growth';

export interface Finding {
  kind: FindingKind;
  /** The same for the same bug, as far as that can be told. */
  name: string;
  /** For people: message and first frames. */
  detail: string;
  /** Null for what no single input has caused. */
  input: Uint8Array<ArrayBuffer> | null;
}

/** What the decoder answered, for coverage, or null when `thrown` is no refusal. */
export function refusalOf(target: FuzzTarget, thrown: unknown): string | null {
  if (thrown instanceof VesselError) {
    if (!(target.refusals as readonly string[]).includes(thrown.code)) return null;
    return `${thrown.code} ${thrown.message}`;
  }
  return target.isRefusal?.(thrown) ? String(thrown) : null;
}

export function crash(thrown: unknown, input: Uint8Array<ArrayBuffer>): Finding {
  const error = thrown instanceof Error ? thrown : new Error(`something that is no error was thrown: ${String(thrown)}`);
  const code = thrown instanceof VesselError ? ` ${thrown.code}` : '';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const isOwn = (line: string) => line.includes('file://') && !line.includes('/node_modules/');
  const place = frames.find(isOwn) ?? frames.find((line) => line.includes('file://')) ?? '';
  return {
    kind: 'crash',
    name: `${error.name}${code} in ${functionOf(place)}`,
    detail: [`${error.name}${code}: ${error.message.slice(0, 500)}`, ...frames.slice(0, 8)].join('\n'),
    input,
  };
}

/** `at readValue (file:///…/x.ts:12:3)` → `readValue x.ts`. */
function functionOf(frame: string): string {
  const found = /at (?:async )?(?:(\S+) .*?\()?[^\s(]*?([\w.-]+\.[mc]?[tj]s):\d+:\d+\)?$/.exec(frame.trim());
  return found ? [found[1]?.split('.').at(-1), found[2]].filter(Boolean).join(' ') : 'unknown place';
}
