/**
 * `npm run chaos -- --kills 200`: one answer after the other, a hop lost in each, and what came compared to the undisturbed answer.
 * Prints how long it took to notice, to find another hop, to open it and to rebuild.
 */
import { parseArgs } from 'node:util';
import type { Recovery } from '../../shared/protocol/asking.ts';
import { sampling } from '../../testing/language-model.ts';
import { randomNumbers } from '../../testing/random-numbers.ts';
import { ChaosNetwork, type Trouble } from './chaos-network.ts';

const help = `usage: npm run chaos -- [options]

  --kills <n>      answers to disturb (20)
  --hops <n>       hops of the route (3)
  --tokens <n>     tokens of each answer (60)
  --prompt <n>     tokens of each prompt (120)
  --model <folder> a Hugging Face folder instead of vessel-tiny
  --freeze         hops stand still instead of being killed
  --seed <n>       of prompts and moments (1)
`;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    hops: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '60' },
    prompt: { type: 'string', default: '120' },
    model: { type: 'string' },
    freeze: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit(0);
}
const count = (text: string) => {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  process.stderr.write(`error: ${text} is no whole number above 0\n${help}`);
  return process.exit(2);
};
const [kills, hops, maxTokens, promptLength] = [values.kills, values.hops, values.tokens, values.prompt].map(count) as [
  number,
  number,
  number,
  number,
];
const trouble: Trouble = values.freeze ? 'stop-for-good' : 'kill';
const random = randomNumbers(count(values.seed));
const below = (limit: number) => Math.floor(random.uniform() * limit);

const network = await ChaosNetwork.start({ hops, copies: 2, ...(values.model ? { model: values.model } : {}) });
const recoveries: Recovery[] = [];
let [wrong, disturbed] = [0, 0];
try {
  while (disturbed < kills) {
    const request = {
      promptIds: Array.from({ length: promptLength }, () => below(400)),
      maxTokens,
      sampling: sampling(below(2) === 0 ? {} : { temperature: 0.9, seed: below(1000) }),
      stopIds: [],
    };
    const undisturbed = await network.ask(request);
    const [at, place] = [below(maxTokens - 1), below(hops)];
    const { tokens, stats } = await network.ask(request, at, [place], trouble);
    const isRight = tokens.join() === undisturbed.tokens.join();
    if (!isRight) wrong++;
    if (stats.failovers > 0) disturbed++;
    recoveries.push(...stats.recoveries);
    process.stdout.write(
      `${disturbed}/${kills} hop ${place + 1} at token ${at}: ${isRight ? 'the same tokens' : 'OTHER TOKENS'}, ${stats.failovers} replaced\n`,
    );
    await network.whole();
  }
} finally {
  await network.close();
}
const row = (what: string, times: (number | null)[]) => {
  const sorted = times.filter((ms) => ms !== null).sort((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0).padStart(7);
  process.stdout.write(`${what.padEnd(44)}${at(0.5)}${at(0.95)}${at(1)}\n`);
};
process.stdout.write(`\n${'milliseconds'.padEnd(44)} median    95 %  longest\n`);
row(
  'silent until it was called lost',
  recoveries.map(({ silentMs }) => silentMs),
);
row(
  'until the relay named another',
  recoveries.map(({ matchMs }) => matchMs),
);
row(
  'until every hop knew the route (dial included)',
  recoveries.map(({ openMs }) => openMs),
);
row(
  'until the answer went on (rebuild)',
  recoveries.map(({ rebuildMs }) => rebuildMs),
);
process.stdout.write(`\n${disturbed} answers lost a hop, ${wrong} had other tokens\n`);
process.exitCode = wrong === 0 ? 0 : 1;
