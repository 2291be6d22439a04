/** Runs the Solidity tests and reads what Hardhat prints about each. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SolidityTest {
  /** contracts/test/X.t.sol:XTest */
  place: string;
  name: string;
  passed: boolean;
  /** What Hardhat says about a failure: the reason, the stack, the counterexample. */
  report: string;
}

export interface HardhatRun {
  code: number | null;
  output: string;
  tests: SolidityTest[];
}

const root = fileURLToPath(new URL('..', import.meta.url));
const hardhat = join(dirname(createRequire(import.meta.url).resolve('hardhat/package.json')), 'dist/src/cli.js');

export function runHardhat(args: string[], env: Record<string, string>): Promise<HardhatRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [hardhat, 'test', 'solidity', ...args], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, tests: readTests(output) }));
  });
}

export function readTests(output: string): SolidityTest[] {
  const tests: SolidityTest[] = [];
  let place = '';
  for (const line of output.split('\n')) {
    const header = /^ {2}(contracts\/test\/\S+\.t\.sol:\w+)$/.exec(line);
    if (header) place = header[1]!;
    const result = /^ {4}(✔|\d+\)) (\w+\(.*?\))/.exec(line);
    if (!result || place === '') continue;
    const [, mark, name] = result;
    const passed = mark === '✔';
    tests.push({ place, name: name!, passed, report: passed ? '' : reportOf(output, `${place.split(':')[1]}#${name}`) });
  }
  return tests;
}

function reportOf(output: string, title: string): string {
  const at = output.indexOf(`) ${title}`);
  if (at === -1) return 'Hardhat gives no reason';
  const end = output.slice(at).search(/\n\n\n| {2}\d+\) \w+#/);
  return output.slice(at + 2, end === -1 ? at + 4000 : at + end);
}
