/**
 * Measures what verification rests on, and holds the tolerances to it. Honest hops compute on wasm, honest auditors on WebGPU in headless
 * Chromium; cheats are carried out with the real runtime (testing/cheats.ts) and audited by the rule of the network, thousands of times each;
 * TOPLOC's shipped thresholds judge the same rows.
 *
 *     node bench/calibrate-verify.ts [--rows <folder>] [--tries 4000] [--cheat-sessions 8] [--plans 99] [--write]
 *
 * --plans runs the first few of the plans only. --rows keeps the collected rows in a folder and takes them from there. --write writes shared/verify/tolerances.json and
 * docs/results/verification.md; without it the script only says whether the tolerances in numeric-class.ts hold.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type CollectedSession, type Collection, type CollectPlan, collectRows } from '../e2e/verify/collect-rows.ts';
import { Sampler } from '../provider/sampling/sampler.ts';
import { type ClaimedDraw, checkDraws } from '../shared/verify/check-draws.ts';
import { type NumericClass, numericClassOf, type Tolerance, toleranceFor, tolerances } from '../shared/verify/numeric-class.ts';
import { type AuditedRows, allDistances, beaconOf, rowBatches, toplocPasses, tryAudit } from '../testing/audit-tries.ts';
import { CheatingHop, type RowCheat, rowCheats } from '../testing/cheats.ts';
import { randomNumbers } from '../testing/random-numbers.ts';

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string' },
    tries: { type: 'string', default: '4000' },
    'cheat-sessions': { type: 'string', default: '8' },
    plans: { type: 'string', default: '99' },
    write: { type: 'boolean', default: false },
  },
});
const tries = Number(flags.tries);
const cheatSessions = Number(flags['cheat-sessions']);

const plan = (
  model: CollectPlan['model'],
  dtype: CollectPlan['dtype'],
  parts: number,
  sessions: number,
  seed: number,
  lastHopSessions = 0,
  steppedSessions = 0,
): CollectPlan => ({ model, dtype, parts, sessions, answer: 64, seed, lastHopSessions, steppedSessions });

/** Trained and random weights, five families, one layer a shard and several, each encoding. */
const plans: CollectPlan[] = [
  plan('stories260K', 'f32', 5, 60, 1, 4, 1),
  plan('vessel-tiny', 'f32', 8, 12, 2, 3, 1),
  plan('llama', 'f32', 4, 40, 3, 4, 1),
  plan('stories260K', 'q8', 2, 16, 4, 2, 1),
  plan('stories260K', 'q4', 2, 16, 5, 2, 1),
  plan('qwen3', 'f32', 4, 40, 6, 2, 1),
  plan('vessel-tiny', 'f32', 3, 8, 7),
  plan('gemma3', 'f32', 7, 20, 8),
  plan('stories260K', 'f32', 5, 60, 9),
  plan('qwen2', 'f32', 4, 20, 10),
  plan('vessel-tiny', 'q8', 4, 4, 11),
  plan('vessel-tiny', 'q4', 4, 4, 12),
];

interface ClassFigures {
  honestRows: number;
  /** Largest distance of a row, and largest 99.9th percentile of a session and hop. */
  worstRow: number;
  p999Row: number;
  rowsAccused: number;
  honestAudits: number;
  /** Largest root mean square of an honest audit. */
  worstAudit: number;
  auditsAccused: number;
  honestDraws: number;
  drawsDiffering: number;
  drawsAccused: number;
  /** Largest difference of a logit, in parts of their root mean square. */
  worstLogit: number;
  toplocHonest: Ratio;
  cheats: Record<string, CheatFigures>;
}
interface Ratio {
  passed: number;
  checked: number;
}
interface CheatFigures {
  tries: number;
  found: number;
  /** Sessions × hops whose rows the tries drew from. */
  cases: number;
  /** Smallest largest row, and smallest root mean square, of an audit: what the tolerances must stay below. */
  leastWorst: number;
  leastMean: number;
  /** Groups of 32 rows that TOPLOC's thresholds let pass. */
  toplocPassed: number;
  toplocChecked: number;
}

const figures = new Map<NumericClass, ClassFigures>();
const random = randomNumbers(2024);

for (const each of plans.slice(0, Number(flags.plans))) {
  const collection = await collectRows(each, flags.rows ?? null);
  const numericClass = numericClassOf(each.dtype, 'f32');
  say(`${each.model} ${each.dtype} in ${each.parts}: ${collection.sessions.length} sessions on wasm and ${collection.adapter}`);
  honestRows(numericClass, collection);
  honestDraws(numericClass, collection);
  if (each.dtype === 'f32') drawCheats(numericClass, collection);
  await rowCheating(numericClass, collection);
}

const report = conclude();
if (flags.write) await write(report);
process.exitCode = report.holds ? 0 : 1;

function figuresOf(numericClass: NumericClass): ClassFigures {
  let found = figures.get(numericClass);
  if (!found) {
    found = {
      honestRows: 0,
      worstRow: 0,
      p999Row: 0,
      rowsAccused: 0,
      honestAudits: 0,
      worstAudit: 0,
      auditsAccused: 0,
      honestDraws: 0,
      drawsDiffering: 0,
      drawsAccused: 0,
      worstLogit: 0,
      toplocHonest: { passed: 0, checked: 0 },
      cheats: {},
    };
    figures.set(numericClass, found);
  }
  return found;
}

/** Every row under a fresh projection per session and hop, and one audit each. */
function honest(numericClass: NumericClass, rows: AuditedRows, tolerance: Tolerance = tolerances[numericClass]): void {
  const found = figuresOf(numericClass);
  const beacon = beaconOf(`honest ${rows.name}`, found.honestAudits);
  const distances = allDistances(rows, beacon);
  for (const distance of distances) {
    found.worstRow = Math.max(found.worstRow, distance);
    if (distance > tolerance.row) found.rowsAccused++;
  }
  distances.sort((a, b) => a - b);
  found.p999Row = Math.max(found.p999Row, distances[Math.floor(0.999 * (distances.length - 1))]!);
  found.honestRows += distances.length;
  const audit = tryAudit(rows, beacon, tolerance);
  found.honestAudits++;
  found.worstAudit = Math.max(found.worstAudit, audit.mean);
  if (!audit.agrees) found.auditsAccused++;
  const passes = toplocPasses(rows, random);
  found.toplocHonest.passed += passes.passed;
  found.toplocHonest.checked += passes.checked;
}

function honestRows(numericClass: NumericClass, { plan: { model, parts }, subject, sessions }: Collection): void {
  const width = subject.manifest.architecture.hidden;
  for (const [index, session] of sessions.entries()) {
    const batches = rowBatches(session.promptLength, session.ids.length - 1);
    for (const [hop, own] of session.audited.entries()) {
      const name = `${model}/${parts} hop ${hop} session ${index}`;
      honest(numericClass, { name, width, batches, claimed: session.boundaries[hop]!, own });
      // The other way round: the hop on WebGPU, position by position, the auditor on wasm.
      const stepped = session.stepped?.[hop];
      if (stepped)
        honest(numericClass, { name: `${name} reversed`, width, batches, claimed: stepped, own: session.boundaries[hop]! });
    }
    if (session.auditedLogits) honest(numericClass, logitRows(`${model} last hop`, session, session.logits));
  }
}

/** The logits of a session's draws as rows, in batches of 32. */
function logitRows(name: string, session: CollectedSession, claimed: readonly Float32Array[]): AuditedRows {
  const width = claimed[0]!.length;
  const join = (rows: readonly Float32Array[]): Float32Array => {
    const all = new Float32Array(rows.length * width);
    for (const [index, row] of rows.entries()) all.set(row, index * width);
    return all;
  };
  return { name, width, batches: rowBatches(1, claimed.length), claimed: join(claimed), own: join(session.auditedLogits!) };
}

function honestDraws(numericClass: NumericClass, { subject, sessions }: Collection): void {
  const found = figuresOf(numericClass);
  for (const session of sessions) {
    if (!session.auditedLogits) continue;
    for (const [draw, own] of session.auditedLogits.entries())
      found.worstLogit = Math.max(found.worstLogit, logitError(session.logits[draw]!, own));
    const checked = drawFinding(subject.manifest.architecture.vocab, session, tolerances[numericClass], session.sampling.seed);
    found.honestDraws += session.logits.length;
    found.drawsDiffering += checked.explained;
    if (!checked.agrees) found.drawsAccused++;
  }
}

function drawFinding(
  vocab: number,
  session: CollectedSession,
  tolerance: Tolerance,
  seed: number,
  claimed: ClaimedDraw[] = claimedBy(session),
  stopIds: number[] = [],
) {
  return checkDraws({
    sampler: new Sampler({
      vocab,
      sampling: { ...session.sampling, seed },
      promptIds: session.ids.slice(0, session.promptLength),
    }),
    promptLength: session.promptLength,
    maxTokens: session.logits.length,
    stopIds,
    wasCut: false,
    claimed,
    logits: session.auditedLogits!,
    noise: tolerance.logit,
  });
}

function claimedBy({ ids, promptLength }: CollectedSession): ClaimedDraw[] {
  const answer = ids.slice(promptLength);
  return answer.map((id, index) => ({ id, end: index === answer.length - 1 ? 'length' : 'goes-on' }));
}

/** Cheats of the last hop that leave the logits alone: another seed than the asker's, and an answer that ends early. */
function drawCheats(numericClass: NumericClass, { subject, sessions }: Collection): void {
  const { vocab } = subject.manifest.architecture;
  const tolerance = tolerances[numericClass];
  const audited = sessions.filter(({ auditedLogits }) => auditedLogits !== null);
  if (audited.length === 0) return;
  const drawn = audited.filter(({ sampling }) => sampling.temperature > 0);
  const note = (cheat: string, isFound: boolean): void => {
    const found = cheatOf(numericClass, cheat);
    found.tries++;
    if (isFound) found.found++;
  };
  cheatOf(numericClass, 'wrong seed').cases += drawn.length;
  cheatOf(numericClass, 'early stop').cases += audited.length;
  for (let index = 0; index < tries / 4; index++) {
    const seeded = drawn[index % drawn.length];
    // The asker sent another seed than the one that the hop drew with.
    if (seeded) note('wrong seed', !drawFinding(vocab, seeded, tolerance, Math.floor(random.uniform() * 2 ** 40)).agrees);
    const session = audited[index % audited.length]!;
    const cut = Math.floor(random.uniform() * (session.logits.length - 1));
    const claimed = claimedBy(session).slice(0, cut + 1);
    // Half of the time it claims a stop id that it did not draw, half of the time that the answer is as long as asked for.
    const stopId = (claimed[cut]!.id + 1 + Math.floor(random.uniform() * (vocab - 1))) % vocab;
    claimed[cut] = index % 2 === 0 ? { id: stopId, end: 'stop' } : { ...claimed[cut]!, end: 'length' };
    note('early stop', !drawFinding(vocab, session, tolerance, session.sampling.seed, claimed, [stopId]).agrees);
  }
}

function cheatOf(numericClass: NumericClass, cheat: string): CheatFigures {
  const { cheats } = figuresOf(numericClass);
  cheats[cheat] ??= {
    tries: 0,
    found: 0,
    cases: 0,
    leastWorst: Number.POSITIVE_INFINITY,
    leastMean: Number.POSITIVE_INFINITY,
    toplocPassed: 0,
    toplocChecked: 0,
  };
  return cheats[cheat];
}

/** Which cheats are cheats on a model of this encoding. */
function isCheat(cheat: RowCheat, dtype: CollectPlan['dtype']): boolean {
  if (cheat === 'weights int8') return dtype === 'f32';
  if (cheat === 'weights int4') return dtype === 'f32' || dtype === 'q8';
  return true;
}

async function rowCheating(numericClass: NumericClass, { plan: each, subject, sessions }: Collection): Promise<void> {
  const width = subject.manifest.architecture.hidden;
  const some = sessions.slice(0, cheatSessions);
  const cases = new Map<RowCheat, AuditedRows[]>();
  const add = (cheat: RowCheat, rows: AuditedRows): void => void cases.set(cheat, [...(cases.get(cheat) ?? []), rows]);
  for (let hop = 0; hop + 1 < subject.cuts.length; hop++) {
    const isLast = hop + 2 === subject.cuts.length;
    const cheating = new CheatingHop(subject, hop);
    for (const [index, session] of some.entries()) {
      const other = sessions[(index + 1) % sessions.length]!;
      const name = `${each.model}/${each.parts} hop ${hop} session ${index}`;
      for (const cheat of rowCheats) {
        if (!isCheat(cheat, each.dtype)) continue;
        if (!isLast) {
          const claimed = await cheating.rows(cheat, session, other);
          const batches = rowBatches(session.promptLength, session.ids.length - 1);
          if (claimed) add(cheat, { name, width, batches, claimed, own: session.audited[hop]! });
        } else if (session.auditedLogits) {
          const claimed = await cheating.logits(cheat, session, other);
          if (claimed) add(cheat, logitRows(name, session, claimed));
        }
      }
    }
    await cheating.dispose();
  }
  const share = each.dtype === 'f32' ? 1 / plans.filter(({ dtype }) => dtype === 'f32').length : 1 / 8;
  const noises = new Map((cases.get('f16 arithmetic') ?? []).map((rows) => [rows.name, noiseOf(rows)]));
  const f16Tolerance = ({ name }: AuditedRows): Tolerance => toleranceFor('f16', noises.get(name)!);
  for (const [cheat, rows] of cases) {
    judge(numericClass, cheat, rows, Math.ceil(tries * share), () => tolerances[numericClass]);
    if (each.dtype !== 'f32') continue;
    // What is a cheat in f32 is honest work of a hop that declares f16 arithmetic; the others must be found there too.
    if (cheat === 'f16 arithmetic') for (const one of rows) honest('f16', one, f16Tolerance(one));
    else judge('f16', cheat, rows, Math.ceil(tries * share), f16Tolerance);
  }
}

/** How far f16 is from f32 on this shard, as an auditor of class f16 finds it: over all rows, under a projection that is not the audit's. */
function noiseOf(rows: AuditedRows): number {
  const distances = allDistances(rows, beaconOf('noise', 0));
  return Math.sqrt(distances.reduce((sum, distance) => sum + distance ** 2, 0) / distances.length);
}

function judge(
  numericClass: NumericClass,
  cheat: RowCheat,
  cases: readonly AuditedRows[],
  count: number,
  tolerance: (rows: AuditedRows) => Tolerance,
): void {
  const found = cheatOf(numericClass, cheat);
  found.cases += cases.length;
  for (let index = 0; index < count; index++) {
    const rows = cases[index % cases.length]!;
    const audit = tryAudit(rows, beaconOf(`${cheat} ${rows.name}`, index), tolerance(rows));
    found.tries++;
    if (!audit.agrees) found.found++;
    found.leastWorst = Math.min(found.leastWorst, audit.worst);
    found.leastMean = Math.min(found.leastMean, audit.mean);
  }
  for (const rows of cases) {
    const passes = toplocPasses(rows, random);
    found.toplocPassed += passes.passed;
    found.toplocChecked += passes.checked;
  }
}

function logitError(found: Float32Array, expected: Float32Array): number {
  let worst = 0;
  let squares = 0;
  for (const [index, value] of expected.entries()) {
    worst = Math.max(worst, Math.abs(found[index]! - value));
    squares += value ** 2;
  }
  return worst / Math.sqrt(squares / expected.length);
}

interface Report {
  holds: boolean;
  classes: Record<string, ClassFigures>;
  problems: string[];
}

function conclude(): Report {
  const problems: string[] = [];
  for (const [numericClass, found] of figures) {
    const tolerance = tolerances[numericClass];
    // No device of class f16 is here: its figures are reported, and nothing is concluded from them.
    const isMeasured = numericClass !== 'f16';
    const expect = (holds: boolean, what: string): void =>
      void (holds || !isMeasured || problems.push(`${numericClass}: ${what}`));
    expect(found.rowsAccused === 0, `${found.rowsAccused} honest rows accused`);
    expect(found.auditsAccused === 0, `${found.auditsAccused} honest audits accused`);
    expect(found.drawsAccused === 0, `the draws of ${found.drawsAccused} honest sessions accused`);
    // Other devices will be further apart than the two that were measured.
    expect(found.worstRow * 2 <= tolerance.row, `an honest row at ${found.worstRow} leaves little of ${tolerance.row}`);
    expect(
      found.worstAudit * 1.5 <= tolerance.audit,
      `an honest audit at ${found.worstAudit} leaves little of ${tolerance.audit}`,
    );
    expect(found.worstLogit * 2 <= tolerance.logit, `an honest logit at ${found.worstLogit} leaves little of ${tolerance.logit}`);
    say(`\n${numericClass}: ${found.honestRows} honest rows, worst ${exp(found.worstRow)}, accused ${found.rowsAccused};`);
    say(`  ${found.honestAudits} honest audits, worst mean ${exp(found.worstAudit)}, accused ${found.auditsAccused};`);
    say(
      `  ${found.honestDraws} draws, ${found.drawsDiffering} differ and are explained, accused ${found.drawsAccused}; worst logit ${exp(found.worstLogit)}`,
    );
    say(`  TOPLOC passes ${found.toplocHonest.passed} of ${found.toplocHonest.checked} honest groups`);
    for (const [cheat, one] of Object.entries(found.cheats)) {
      expect(one.found >= 0.999 * one.tries, `${cheat} found in ${one.found} of ${one.tries}`);
      say(
        `  ${cheat.padEnd(18)} found ${one.found}/${one.tries} over ${one.cases} cases, least worst row ${exp(one.leastWorst)}, least mean ${exp(one.leastMean)}; TOPLOC finds ${one.toplocChecked - one.toplocPassed}/${one.toplocChecked}`,
      );
    }
  }
  say(problems.length === 0 ? '\nThe tolerances hold.' : `\nThe tolerances do not hold:\n${problems.join('\n')}`);
  return { holds: problems.length === 0, classes: Object.fromEntries(figures), problems };
}

async function write(found: Report): Promise<void> {
  const machine = `${cpus().length} cores of ${cpus()[0]!.model}, Node ${process.version}, WebGPU by SwiftShader in Chromium`;
  const date = new Date().toISOString().slice(0, 10);
  const file = { date, machine, tries, tolerances, problems: found.problems, figures: found.classes };
  const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
  await writeFile(at('shared/verify/tolerances.json'), `${JSON.stringify(file, rounded, 2)}\n`);
  await mkdir(at('docs/results'), { recursive: true });
  await writeFile(at('docs/results/verification.md'), markdown(file, found));
  say('Written: shared/verify/tolerances.json, docs/results/verification.md');
}

function markdown({ date, machine }: { date: string; machine: string }, { classes, problems }: Report): string {
  const lines = [
    '# Verification, measured',
    '',
    `${date}, ${machine}. Made by \`node bench/calibrate-verify.ts --write\`.`,
    '',
    'A row is one position at one boundary, computed by an honest hop on wasm as it works (the prompt in chunks, then one position at a',
    'time) and again on WebGPU from the same committed input (or the other way round). Distances are those of 16-number fingerprints.',
    'A try is one audit: a beacon of its own draws up to 4 batches, 8 rows of each and the projection; the rows were computed once per case (session × hop).',
    'The f16 class has no device here: its honest rows are f16 graphs on wasm, re-run in f32, so its figures are provisional. Where a cheat is none, it is left out: a layer that looks back 8',
    'positions has no context to truncate, a greedy answer has no seed.',
  ];
  for (const [name, one] of Object.entries(classes)) {
    const { row, audit, logit } = tolerances[name as NumericClass];
    lines.push('', `## ${name}`, '');
    lines.push(
      `Accused beyond: row ${row}, root mean square of an audit ${audit}; a logit may be off by ${logit} of their root mean square.`,
      '',
    );
    lines.push('| Honest | checked | accused | worst | TOPLOC passes |', '| --- | --- | --- | --- | --- |');
    lines.push(
      `| rows | ${one.honestRows} | ${one.rowsAccused} | ${exp(one.worstRow)} (99.9 % of a session's: at most ${exp(one.p999Row)}) | ${one.toplocHonest.passed} of ${one.toplocHonest.checked} groups of 32 |`,
    );
    lines.push(`| audits | ${one.honestAudits} | ${one.auditsAccused} | ${exp(one.worstAudit)} | |`);
    lines.push(
      `| draws | ${one.honestDraws} (${one.drawsDiffering} differ, explained) | ${one.drawsAccused} sessions | logit ${exp(one.worstLogit)} | |`,
    );
    lines.push(
      '',
      '| Cheat | found by one audit | cases | weakest audit: worst row, mean | TOPLOC finds |',
      '| --- | --- | --- | --- | --- |',
    );
    for (const [cheat, found] of Object.entries(one.cheats)) {
      const weakest = Number.isFinite(found.leastWorst) ? `${exp(found.leastWorst)}, ${exp(found.leastMean)}` : '–';
      const toploc = found.toplocChecked > 0 ? `${found.toplocChecked - found.toplocPassed} of ${found.toplocChecked}` : '–';
      lines.push(
        `| ${cheat} | ${found.found} of ${found.tries} (${((100 * found.found) / found.tries).toFixed(2)} %) | ${found.cases} | ${weakest} | ${toploc} |`,
      );
    }
  }
  lines.push('', problems.length === 0 ? 'The tolerances hold.' : `Not held: ${problems.join('; ')}.`, '');
  return lines.join('\n');
}

function rounded(_: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value;
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : null;
}

function exp(value: number): string {
  return value.toExponential(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
