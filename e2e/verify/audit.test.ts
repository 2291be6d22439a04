/**
 * Audits from commitment to verdict on real runtimes: hops on wasm in this process, auditors on wasm and on WebGPU in headless Chromium
 * (SwiftShader where there is no graphics card). Each cheat of the threat model is carried out and found. The large figures come from
 * `node bench/calibrate-verify.ts`; `VESSEL_FULL=1` makes these tests larger.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { ShardRuntime } from '../../provider/runtime/shard-runtime.ts';
import { Sampler } from '../../provider/sampling/sampler.ts';
import { type ClaimedDraw, checkDraws } from '../../shared/verify/check-draws.ts';
import { tolerances } from '../../shared/verify/numeric-class.ts';
import { openedFingerprints } from '../../shared/verify/open-rows.ts';
import { requireInputs, rerunLogits, rerunRows } from '../../shared/verify/rerun-shard.ts';
import { type AuditReport, decide } from '../../shared/verify/verdict.ts';
import {
  auditModel,
  convertModel,
  loadHops,
  recordSession,
  recordSessions,
  type SessionRecord,
  type Subject,
} from '../../testing/audit-subjects.ts';
import { allDistances, beaconOf, rowBatches, tryAudit } from '../../testing/audit-tries.ts';
import { AuditedHop, claimedDraws } from '../../testing/audited-hop.ts';
import { CheatingHop, inputOf, rowCheats, runRows } from '../../testing/cheats.ts';
import { sampling } from '../../testing/language-model.ts';
import { MemoryBlobs } from '../../testing/memory-blobs.ts';
import { chromiumPath } from '../webgpu/browser-harness.ts';
import { AuditBrowser } from './audit-browser.ts';
import { chunksOf } from './collect-rows.ts';

const isFull = process.env.VESSEL_FULL === '1';
const tries = isFull ? 1000 : 60;
const tolerance = tolerances.f32;
const answer = 40;

let subject: Subject;
let hops: ShardRuntime[];
let sessions: SessionRecord[];

before(async () => {
  const blobs = new MemoryBlobs();
  const model = await auditModel('stories260K');
  subject = { model, manifest: await convertModel(model, 'f32', blobs), blobs, cuts: [0, 1, 3, 5] };
  hops = await loadHops(subject);
  sessions = await recordSessions(subject, hops, { count: isFull ? 12 : 3, seed: 21, answer });
  // One that is not greedy whatever the seed gives.
  const [first] = sessions;
  sessions[0] = await recordSession(hops, {
    prompt: first!.ids.slice(0, first!.promptLength),
    answer,
    sampling: sampling({ temperature: 1, seed: 5 }),
  });
});
after(async () => {
  for (const hop of hops ?? []) await hop.dispose();
});

/** What an honest auditor on wasm reports. */
async function report(
  hop: number,
  audited: AuditedHop,
  beacon: Uint8Array,
  session: SessionRecord,
  auditor: string,
): Promise<AuditReport> {
  const draw = audited.draw(beacon);
  const { batches } = audited.committer;
  requireInputs(batches, audited.input, audited.width);
  const projection = audited.projection(draw);
  if (!audited.isLast) {
    const fingerprints = await rerunRows(hops[hop]!, batches, audited.input, draw.opened, projection);
    return { auditor, fingerprints, drawsAgree: true };
  }
  const logits = await rerunLogits(hops[hop]!, audited.input, audited.width, session.promptLength);
  const firstDraw = batches.map((_, batch) => batches.slice(0, batch).reduce((sum, { outputs }) => sum + outputs, 0));
  return {
    auditor,
    fingerprints: draw.opened.flatMap(({ batch, rows }) =>
      rows.map((row) => projection.fingerprint(logits[firstDraw[batch]! + row]!)),
    ),
    drawsAgree: drawsOf(session, claimedDraws(session), logits).agrees,
  };
}

function drawsOf(session: SessionRecord, claimed: ClaimedDraw[], logits = session.logits, seed = session.sampling.seed) {
  return checkDraws({
    sampler: new Sampler({
      vocab: subject.manifest.architecture.vocab,
      sampling: { ...session.sampling, seed },
      promptIds: session.ids.slice(0, session.promptLength),
    }),
    promptLength: session.promptLength,
    maxTokens: answer,
    stopIds: [],
    wasCut: false,
    claimed,
    logits,
    noise: tolerance.logit,
  });
}

test('every honest hop, the first and the last one too, passes an audit from commitment to verdict', async () => {
  for (const [index, session] of sessions.entries()) {
    for (let hop = 0; hop < hops.length; hop++) {
      const audited = new AuditedHop(subject, session, hop);
      const beacon = beaconOf('honest', index);
      const first = await report(hop, audited, beacon, session, 'a');
      assert.deepEqual(decide(audited.opened(audited.draw(beacon)), [first], tolerance), { kind: 'clean', doubted: [] });
    }
  }
});

test('a hop that skipped a layer is convicted by four auditors of five, and no auditor sees its rows', async () => {
  const cheating = new CheatingHop(subject, 1);
  const session = sessions[0]!;
  const claimed = (await cheating.rows('skipped layer', session, sessions[1]!))!;
  await cheating.dispose();
  const audited = new AuditedHop(subject, session, 1, { claimed });
  const beacon = beaconOf('skipped', 0);
  const opened = audited.opened(audited.draw(beacon));
  const reports: AuditReport[] = [await report(1, audited, beacon, session, 'a')];
  assert.deepEqual(decide(opened, reports, tolerance), { kind: 'panel', more: 4 });
  for (const auditor of ['b', 'c', 'd']) reports.push(await report(1, audited, beacon, session, auditor));
  // One that works with the hop says what the hop says.
  reports.push({ auditor: 'e', fingerprints: opened!, drawsAgree: true });
  assert.deepEqual(decide(opened, reports, tolerance), { kind: 'guilty', signers: ['a', 'b', 'c', 'd'], doubted: ['e'] });
});

test('a hop that opens other rows than it committed to has opened nothing', async () => {
  const session = sessions[0]!;
  const cheating = new CheatingHop(subject, 1);
  const claimed = (await cheating.rows('constant output', session, sessions[1]!))!;
  await cheating.dispose();
  const honest = new AuditedHop(subject, session, 1);
  const liar = new AuditedHop(subject, session, 1, { claimed });
  const draw = liar.draw(beaconOf('opens', 0));
  const projection = liar.projection(draw);
  const opening = honest.opening(draw)!;
  assert.ok(liar.opened(draw));
  // The honest rows, and then with the batches that it signed.
  assert.equal(openedFingerprints(opening, liar.target, draw, projection), null);
  const patched = { ...opening, batches: liar.committer.batches };
  assert.equal(openedFingerprints(patched, liar.target, draw, projection), null);
});

test('inputs that the hop did not commit to are not re-run', () => {
  const session = sessions[0]!;
  const audited = new AuditedHop(subject, session, 1);
  const other = new AuditedHop(subject, sessions[1]!, 1);
  assert.throws(() => requireInputs(audited.committer.batches, other.input, audited.width), { code: 'wrong_history' });
  const tokens = new AuditedHop(subject, session, 0);
  const ids = Int32Array.from(session.ids.slice(0, -1));
  requireInputs(tokens.committer.batches, { kind: 'tokens', ids }, tokens.width);
  ids[3]! += 1;
  assert.throws(() => requireInputs(tokens.committer.batches, { kind: 'tokens', ids }, tokens.width), { code: 'wrong_history' });
});

for (const cheat of rowCheats) {
  test(`${cheat}: one audit finds it, on whichever hop`, async () => {
    const width = subject.manifest.architecture.hidden;
    let checked = 0;
    for (let hop = 0; hop + 1 < hops.length; hop++) {
      const cheating = new CheatingHop(subject, hop);
      for (const [index, session] of sessions.entries()) {
        const claimed = await cheating.rows(cheat, session, sessions[(index + 1) % sessions.length]!);
        if (claimed === null) continue;
        const positions = session.ids.length - 1;
        const own = await runRows(hops[hop]!, inputOf(session, hop), width, 0, positions);
        const batches = rowBatches(session.promptLength, positions);
        const name = `hop ${hop} session ${index}`;
        for (let attempt = 0; attempt < tries; attempt++) {
          const audit = tryAudit({ name, width, batches, claimed, own }, beaconOf(cheat, attempt), tolerance);
          assert.ok(!audit.agrees, `${name}: ${JSON.stringify(audit)}`);
          checked++;
        }
      }
      await cheating.dispose();
    }
    assert.ok(checked > 0);
  });
}

for (const cheat of ['weights int8', 'f16 arithmetic', '1 % weight noise', 'another model'] as const) {
  test(`${cheat} on the last hop shows in its logits`, async () => {
    const hop = hops.length - 1;
    const cheating = new CheatingHop(subject, hop);
    const session = sessions[0]!;
    const claimed = (await cheating.logits(cheat, session, sessions[1]!))!;
    await cheating.dispose();
    const audited = new AuditedHop(subject, session, hop, { claimed });
    const beacon = beaconOf('last', 0);
    const first = await report(hop, audited, beacon, session, 'a');
    assert.equal(decide(audited.opened(audited.draw(beacon)), [first], tolerance).kind, 'panel');
  });
}

test('wrong seed and early stop: the draws say so, whatever the rows', () => {
  for (const session of sessions) {
    const claimed = claimedDraws(session);
    assert.ok(drawsOf(session, claimed).agrees);
    for (let attempt = 0; attempt < tries; attempt++) {
      if (session.sampling.temperature > 0) assert.ok(!drawsOf(session, claimed, session.logits, 1000 + attempt).agrees);
      const end = attempt % (answer - 1);
      assert.ok(!drawsOf(session, [...claimed.slice(0, end), { id: claimed[end]!.id, end: 'length' }]).agrees);
    }
  }
});

const skip = existsSync(chromiumPath) ? false : `there is no browser at ${chromiumPath}`;
test('an auditor on WebGPU accuses no honest hop on wasm, and finds f16 arithmetic', { skip }, async () => {
  const browser = await AuditBrowser.start(subject.blobs);
  try {
    const width = subject.manifest.architecture.hidden;
    const { manifest, cuts } = subject;
    const hop = 1;
    const cheating = new CheatingHop(subject, hop);
    await browser.load({ backend: 'webgpu', manifest, from: cuts[hop]!, to: cuts[hop + 1]!, context: 512 });
    for (const [index, session] of sessions.entries()) {
      const positions = session.ids.length - 1;
      const batches = rowBatches(session.promptLength, positions);
      const own = await browser.rerun(inputOf(session, hop), chunksOf(positions));
      const rows = { name: 'honest', width, batches, claimed: session.boundaries[hop]!, own };
      for (const distance of allDistances(rows, beaconOf('webgpu', index))) assert.ok(distance < tolerance.row, `${distance}`);
      assert.ok(tryAudit(rows, beaconOf('webgpu', index), tolerance).agrees);
      const claimed = (await cheating.rows('f16 arithmetic', session, session))!;
      for (let attempt = 0; attempt < tries; attempt++)
        assert.ok(!tryAudit({ ...rows, claimed }, beaconOf('f16', attempt), tolerance).agrees);
    }
    await cheating.dispose();
  } finally {
    await browser.close();
  }
});
