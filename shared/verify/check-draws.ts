/**
 * Whether the last hop drew what it had to. The draw is a function of logits, settings, seed and position (SPEC SA1–SA4), so the auditor
 * draws again from its own logits. They are off by a little, which matters where two tokens are nearly even or the random number falls on an
 * edge. A token that differs is therefore explained if some logits within that distance give it: the sampler itself is asked, with
 * the logits bent as far towards the token as they may honestly be.
 */
import type { DrawEnd } from './boundary-row.ts';

/** What `Sampler` of the provider is. `sample` must not change anything. */
export interface DrawPort {
  sample(logits: Float32Array, position: number): { id: number };
  accept(id: number): void;
}

export interface ClaimedDraw {
  id: number;
  end: DrawEnd;
}

export interface DrawCheck {
  /** Fresh, with the prompt and the settings that the asker sent. */
  sampler: DrawPort;
  promptLength: number;
  maxTokens: number;
  stopIds: readonly number[];
  /** The asker went away before the answer was over: it need not have an end. */
  wasCut: boolean;
  claimed: readonly ClaimedDraw[];
  /** The auditor's logits, one [vocab] per claimed draw. */
  logits: readonly Float32Array[];
  /** Honest error of a logit, in parts of the root mean square (Tolerance.logit). */
  noise: number;
}

export interface DrawFinding {
  agrees: boolean;
  /** Draws that are the auditor's own. */
  same: number;
  /** Draws that differ and that noise explains. */
  explained: number;
  /** Index of the first draw that nothing explains, or that ends where it must not or goes on where it must end. */
  wrongAt: number | null;
}

export function checkDraws(check: DrawCheck): DrawFinding {
  const { sampler, promptLength, claimed, logits, noise } = check;
  const finding: DrawFinding = { agrees: true, same: 0, explained: 0, wrongAt: null };
  const isWrong = (index: number): DrawFinding => ({ ...finding, agrees: false, wrongAt: index });
  for (const [index, { id, end }] of claimed.entries()) {
    const own = logits[index];
    if (!own || end !== endOf(check, index)) return isWrong(index);
    const position = promptLength + index;
    if (sampler.sample(own, position).id === id) finding.same++;
    else if (isExplained(sampler, own, position, id, noise)) finding.explained++;
    else return isWrong(index);
    if (end !== 'stop') sampler.accept(id);
  }
  const last = claimed.at(-1);
  if (!check.wasCut && (last === undefined || last.end === 'goes-on')) return isWrong(claimed.length);
  return finding;
}

/** The only end that the draw may have, given its token. */
function endOf({ claimed, stopIds, maxTokens, wasCut }: DrawCheck, index: number): DrawEnd | null {
  const isLast = index === claimed.length - 1;
  const end = stopIds.includes(claimed[index]!.id) ? 'stop' : index + 1 >= maxTokens ? 'length' : 'goes-on';
  if (end !== 'goes-on') return isLast ? end : null;
  return isLast && !wasCut ? null : end;
}

/** Shapes in which logits are bent: by how many times the noise, up or down, each id goes. */
const bends: ((id: number, towards: number) => number)[] = [
  // Towards the token against all others: greedy ties and the edges of top-k, top-p and min-p.
  (id, towards) => (id === towards ? 1 : -1),
  // The walk over ids meets the token earlier, or later.
  (id, towards) => (id < towards ? -1 : 1),
  (id, towards) => (id > towards ? -1 : 1),
  // Others fall off an edge or back on it, whichever way that moves the walk.
  ...[0x9e3779b9, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f].map((salt) => (id: number, towards: number) => {
    const mixed = Math.imul((id ^ salt) >>> 0, 0x2c1b3c6d);
    return id === towards || (mixed >>> 15) & 1 ? 1 : -1;
  }),
];

function isExplained(sampler: DrawPort, logits: Float32Array, position: number, id: number, noise: number): boolean {
  if (id >= logits.length) return false;
  const step = noise * rootMeanSquare(logits);
  return bends.some((bend) => {
    const bent = logits.map((logit, other) => logit + step * bend(other, id));
    return sampler.sample(bent, position).id === id;
  });
}

function rootMeanSquare(values: Float32Array): number {
  let squares = 0;
  let count = 0;
  for (const value of values) {
    // Ids that the model rules out are no measure.
    if (value === Number.NEGATIVE_INFINITY) continue;
    squares += value ** 2;
    count++;
  }
  return Math.sqrt(squares / Math.max(1, count));
}
