/** Fuzzes decoders from the command line. What is found is kept in `fuzz/cases`, which the tests try again. */
import { parseArgs } from 'node:util';
import { keepCase, targetNames } from './engine/case-files.ts';
import type { FuzzReport } from './engine/fuzz-job.ts';
import { runTarget, targetUrl } from './engine/run-target.ts';

const help = `usage: npm run fuzz -- [options]

  --target <names>  one or several, with commas (all)
  --inputs <n>      inputs per target (100,000)
  --seconds <n>     at most this long per target
  --seed <n>        the same seed gives the same inputs (1)
  --compare         also without guidance, with the same number of inputs, to see what guidance is worth
  --bare            begin from next to nothing instead of valid inputs
  --no-keep         do not write what is found to fuzz/cases
  --list            the names of the targets
  --help            this text
`;

const { values: flags } = parseArgs({
  options: {
    target: { type: 'string' },
    inputs: { type: 'string', default: '100000' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    compare: { type: 'boolean', default: false },
    bare: { type: 'boolean', default: false },
    'no-keep': { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const known = targetNames();
const names = flags.target?.split(',') ?? known;
const unknown = names.find((name) => !known.includes(name));

if (flags.help) print(help.trimEnd());
else if (flags.list) print(known.join('\n'));
else if (unknown !== undefined) {
  print(`error: there is no target ${unknown}. There are ${known.join(', ')}.`);
  process.exitCode = 2;
} else for (const name of names) await fuzz(name);

async function fuzz(name: string): Promise<void> {
  const options = {
    inputs: Number(flags.inputs),
    seed: Number(flags.seed),
    seconds: flags.seconds === undefined ? null : Number(flags.seconds),
    isBare: flags.bare,
  };
  const report = await runTarget(targetUrl(name), options);
  print(`${name}: ${lineOf(report)}`);
  for (const finding of report.findings) {
    process.exitCode = 1;
    const kept = flags['no-keep'] ? null : keepCase(name, finding);
    print(`  ${finding.kind}: ${finding.name}${kept ? ` (kept as ${kept})` : ''}\n${finding.detail.replace(/^/gm, '    ')}`);
  }
  if (!flags.compare) return;
  const blind = await runTarget(targetUrl(name), { ...options, isGuided: false });
  print(`  without guidance: ${lineOf(blind)}`);
}

function lineOf({ inputs, ms, cpuMs, blocks, blocksInAll, answers, kept }: FuzzReport): string {
  const rate = Math.round((inputs / Math.max(1, cpuMs)) * 1000);
  const seconds = (ms / 1000).toFixed(1);
  return `${inputs} inputs in ${seconds} s (${rate} per second of processor time), ${blocks} of ${blocksInAll} blocks, ${answers} kinds of answers, ${kept} inputs kept`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
