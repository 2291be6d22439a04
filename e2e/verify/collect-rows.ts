/**
 * Rows that two numeric backends computed from the same committed inputs: the hop on wasm as it works (chunks, then single
 * positions), the auditor on WebGPU as it re-runs (chunks throughout; on the last shard, whose runtime tells the logits of a step's last position only,
 * single positions after the prompt). Kept in a folder, so that tolerances can be studied without running it all again.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelDtype } from '../../shared/models/manifest.ts';
import { limits } from '../../shared/protocol/limits.ts';
import {
  type AuditModel,
  auditModel,
  convertModel,
  loadHops,
  recordSessions,
  type SessionRecord,
  type Subject,
} from '../../testing/audit-subjects.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { evenCuts } from '../../testing/shard-chain.ts';
import { AuditBrowser } from './audit-browser.ts';

export interface CollectPlan {
  model: AuditModel['name'] & Parameters<typeof auditModel>[0];
  dtype: ModelDtype;
  /** Shards of the model, as even as can be. */
  parts: number;
  sessions: number;
  answer: number;
  seed: number;
  /** Sessions whose last shard is re-run too: a step per token. */
  lastHopSessions: number;
  /** Sessions re-run a second time position by position after the prompt, as a WebGPU hop would have computed them. */
  steppedSessions: number;
}

export interface CollectedSession extends SessionRecord {
  /** Per inner boundary, the auditor's rows. */
  audited: Float32Array[];
  /** The same from single steps; null where it was not done. */
  stepped: Float32Array[] | null;
  /** Per draw; null where it was not done. */
  auditedLogits: Float32Array[] | null;
}

export interface Collection {
  plan: CollectPlan;
  subject: Subject;
  adapter: string;
  sessions: CollectedSession[];
}

/** What a plan gives, from `folder` if it was collected before. `browser` is started only when it is needed. */
export async function collectRows(
  plan: CollectPlan,
  folder: string | null,
  browser: (blobs: MemoryBlobs) => Promise<AuditBrowser> = (blobs) => AuditBrowser.start(blobs),
): Promise<Collection> {
  const model = await auditModel(plan.model);
  const blobs = new MemoryBlobs();
  const manifest = await convertModel(model, plan.dtype, blobs);
  const subject: Subject = { model, manifest, blobs, cuts: evenCuts(manifest.architecture.layers, plan.parts) };
  const path = folder && join(folder, `${Object.values(plan).join('-')}.rows`);
  if (path && existsSync(path)) {
    const { adapter, sessions } = decode(await readFile(path));
    return { plan, subject, adapter, sessions };
  }
  const hops = await loadHops(subject);
  const sessions: CollectedSession[] = (await recordSessions(subject, hops, { ...plan, count: plan.sessions })).map(
    (record, index) => ({
      ...record,
      audited: [],
      stepped: index < plan.steppedSessions ? [] : null,
      auditedLogits: null,
    }),
  );
  for (const hop of hops) await hop.dispose();
  const auditor = await browser(blobs);
  let adapter = '';
  try {
    for (let hop = 0; hop + 1 < subject.cuts.length; hop++) {
      const [from, to] = [subject.cuts[hop]!, subject.cuts[hop + 1]!];
      const isLast = hop + 2 === subject.cuts.length;
      if (isLast && plan.lastHopSessions === 0) break;
      const context = Math.min(512, manifest.architecture.context);
      adapter = (await auditor.load({ backend: 'webgpu', manifest, from, to, context })).adapter;
      for (const [index, session] of sessions.entries()) {
        const input = hop === 0 ? Int32Array.from(session.ids.slice(0, -1)) : session.boundaries[hop - 1]!;
        if (!isLast) {
          session.audited.push(await auditor.rerun(input, chunksOf(session.ids.length - 1)));
          session.stepped?.push(await auditor.rerun(input, stepsOf(session)));
        } else if (index < plan.lastHopSessions) {
          const steps = stepsOf(session);
          const logits = await auditor.rerun(input, steps);
          const { vocab } = manifest.architecture;
          const all = steps.map((_, step) => logits.slice(step * vocab, (step + 1) * vocab));
          session.auditedLogits = all.slice(all.length - session.logits.length);
        }
      }
    }
  } finally {
    await auditor.close();
  }
  if (folder && path) {
    await mkdir(folder, { recursive: true });
    await writeFile(`${path}.part`, encode({ adapter, sessions }));
    await rename(`${path}.part`, path);
  }
  return { plan, subject, adapter, sessions };
}

/** Steps of a re-run of `positions` in one pass. */
export function chunksOf(positions: number): number[] {
  const steps: number[] = [];
  for (let at = 0; at < positions; at += limits.prefillChunk) steps.push(Math.min(limits.prefillChunk, positions - at));
  return steps;
}

/** Steps as a hop takes them: the prompt in chunks, then one position at a time. */
export function stepsOf({ ids, promptLength }: Pick<SessionRecord, 'ids' | 'promptLength'>): number[] {
  return [...chunksOf(promptLength), ...new Array<number>(ids.length - 1 - promptLength).fill(1)];
}

interface Kept {
  adapter: string;
  sessions: CollectedSession[];
}

/** JSON in which arrays of floats are references into the bytes after it. */
function encode(kept: Kept): Uint8Array {
  const arrays: Float32Array[] = [];
  let end = 0;
  const head = JSON.stringify(kept, (_, value) => {
    if (!(value instanceof Float32Array)) return value;
    arrays.push(value);
    end += value.length;
    return { $f32: [end - value.length, value.length] };
  });
  const text = new TextEncoder().encode(head.padEnd(Math.ceil(head.length / 4) * 4));
  const bytes = new Uint8Array(4 + text.length + 4 * end);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = 4 + text.length;
  for (const values of arrays) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return bytes;
}

function decode(file: Buffer): Kept {
  const bytes = Uint8Array.from(file);
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const start = 4 + length;
  return JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)), (_, value) =>
    Array.isArray(value?.$f32) ? new Float32Array(bytes.buffer, start + 4 * value.$f32[0], value.$f32[1]) : value,
  );
}
