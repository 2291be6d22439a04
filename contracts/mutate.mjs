/**
 * Changes the contracts one small thing at a time and runs their tests on each change: a mutant that no test notices is a line
 * that no test means. `contracts/mutants.json` lists those that may live, each with the reason.
 *
 *   node contracts/mutate.mjs [--only Asset] [--limit 20] [--from 40] [--list]
 *
 * Exits 1 for a survivor without a reason, and for a reason whose mutant no longer lives.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const solc = createRequire(import.meta.url)('solc');

/** Few random inputs: what a mutant breaks should be met by a named test, not by luck. */
const testEnv = { VESSEL_FUZZ_RUNS: '32', VESSEL_INVARIANT_RUNS: '4', VESSEL_INVARIANT_DEPTH: '16' };
/** A mutant may loop without end; an honest run takes seconds. */
const testTimeoutMs = 300_000;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    limit: { type: 'string' },
    from: { type: 'string', default: '0' },
    list: { type: 'boolean', default: false },
  },
});

/** Each operator, and what it may be mistaken for. */
const operators = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '==': ['!='],
  '!=': ['=='],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '/': ['*'],
  '%': ['/'],
  '&&': ['||'],
  '||': ['&&'],
  '&': ['|'],
  '|': ['&'],
  '^': ['|'],
  '<<': ['>>'],
  '>>': ['<<'],
  '+=': ['-=', '='],
  '-=': ['+=', '='],
  '++': ['--'],
  '--': ['++'],
};

const parse = (source) => {
  const input = {
    language: 'Solidity',
    sources: { source: { content: source } },
    settings: { stopAfter: 'parsing', outputSelection: { '*': { '': ['ast'] } } },
  };
  return JSON.parse(solc.compile(JSON.stringify(input))).sources.source.ast;
};

/** Offsets of the compiler are bytes. */
const rangeOf = (node) => {
  const [start, length] = node.src.split(':').map(Number);
  return { start, end: start + length };
};

const childrenOf = (node) =>
  Object.values(node)
    .flat()
    .filter((child) => child !== null && typeof child === 'object' && 'nodeType' in child);

const walk = (node, visit) => {
  visit(node);
  for (const child of childrenOf(node)) walk(child, visit);
};

/** All mutants of one source: which bytes become what. */
const mutantsOf = (source) => {
  const bytes = Buffer.from(source);
  const text = (start, end) => bytes.subarray(start, end).toString();
  const mutants = [];
  const add = (start, end, replacement) => {
    const line = text(0, start).split('\n').length;
    mutants.push({ start, end, replacement, line, original: text(start, end), code: source.split('\n')[line - 1].trim() });
  };
  /** The operator stands somewhere between its two sides. */
  const swapOperator = (operator, start, end) => {
    const at = start + bytes.subarray(start, end).indexOf(operator);
    for (const other of operators[operator] ?? []) add(at, at + operator.length, other);
  };
  const ast = parse(source);
  const constants = [];
  walk(ast, (node) => {
    if (node.nodeType === 'VariableDeclaration' && node.constant) constants.push(node);
  });
  const typeOf = (constant) => constant.typeName.name;
  const otherConstant = (name) => {
    const own = constants.find((constant) => constant.name === name);
    const same = own === undefined ? [] : constants.filter((constant) => typeOf(constant) === typeOf(own));
    return same[(same.indexOf(own) + 1) % same.length]?.name;
  };

  walk(ast, (node) => {
    const { start, end } = rangeOf(node);
    switch (node.nodeType) {
      case 'BinaryOperation':
        swapOperator(node.operator, rangeOf(node.leftExpression).end, rangeOf(node.rightExpression).start);
        break;
      case 'Assignment':
        swapOperator(node.operator, rangeOf(node.leftHandSide).end, rangeOf(node.rightHandSide).start);
        break;
      case 'UnaryOperation':
        if (node.operator === '!') add(start, start + 1, '');
        else swapOperator(node.operator, start, end);
        break;
      // A lone 0 is a statement that does nothing.
      case 'ExpressionStatement':
      case 'RevertStatement':
      case 'EmitStatement':
        add(start, end, '0');
        break;
      case 'Return':
        // Without its value, a function with one answers zero.
        if (node.expression) add(start, end, 'return');
        break;
      case 'IfStatement':
      case 'Conditional': {
        const condition = rangeOf(node.condition);
        add(condition.start, condition.end, 'true');
        add(condition.start, condition.end, 'false');
        break;
      }
      case 'Literal':
        if (node.kind === 'bool') add(start, end, node.value === 'true' ? 'false' : 'true');
        if (node.kind === 'number') {
          add(start, end, `(${text(start, end)} + 1)`);
          if (node.value === '1') add(start, end, '0');
        }
        break;
      case 'Identifier': {
        const other = otherConstant(node.name);
        if (other !== undefined && other !== node.name) add(start, end, other);
        break;
      }
      case 'ModifierInvocation':
        // Those of a constructor are its parents.
        if (!/^[A-Z]/.test(text(start, end))) add(start, end, '');
        break;
    }
  });
  return mutants;
};

/** A copy of the project with only one contract's tests, so that a run compiles and tests little. */
const workplaceFor = (name) => {
  const place = mkdtempSync(join(tmpdir(), 'vessel-mutants-'));
  for (const path of ['contracts/src', 'contracts/test/support', 'shared/receipts', 'hardhat.config.ts', 'package.json'])
    cpSync(join(root, path), join(place, path), { recursive: true });
  const tests = readdirSync(join(root, 'contracts/test')).filter((file) => file.startsWith(name) && file.endsWith('.t.sol'));
  for (const file of tests) cpSync(join(root, 'contracts/test', file), join(place, 'contracts/test', file));
  mkdirSync(join(place, 'build'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules'));
  return place;
};

/** 'passed', 'failed', or 'invalid' for a mutant that is no Solidity. */
const runTests = (place) => {
  const run = spawnSync(process.execPath, [join(root, 'node_modules/hardhat/dist/src/cli.js'), 'test', 'solidity'], {
    cwd: place,
    env: { ...process.env, ...testEnv },
    encoding: 'utf8',
    timeout: testTimeoutMs,
    maxBuffer: 1 << 28,
  });
  if (run.status === 0) return { outcome: 'passed', output: run.stdout };
  const output = `${run.stdout}${run.stderr}`;
  return { outcome: output.includes('HHE910') ? 'invalid' : 'failed', output };
};

const describe = ({ original, replacement }) => `${original} → ${replacement === '' ? 'nothing' : replacement}`;

const mutateContract = (name, explained) => {
  const path = `contracts/src/${name}.sol`;
  const source = readFileSync(join(root, path), 'utf8');
  const from = Number(options.from);
  const mutants = mutantsOf(source).slice(from, options.limit === undefined ? undefined : from + Number(options.limit));
  const counts = { killed: 0, invalid: 0, explained: 0, survived: 0 };
  if (options.list) {
    for (const mutant of mutants) console.log(`${path}:${mutant.line}: ${describe(mutant)}`);
    return counts;
  }
  const place = workplaceFor(name);
  try {
    const honest = runTests(place);
    if (honest.outcome !== 'passed')
      throw new Error(`The tests of ${name} fail without any mutant:\n${honest.output.slice(-4000)}`);
    for (const mutant of mutants) {
      const bytes = Buffer.from(source);
      const mutated = Buffer.concat([
        bytes.subarray(0, mutant.start),
        Buffer.from(mutant.replacement),
        bytes.subarray(mutant.end),
      ]);
      writeFileSync(join(place, path), mutated);
      const { outcome } = runTests(place);
      const change = describe(mutant);
      const reason = explained.find((entry) => entry.contract === name && entry.code === mutant.code && entry.change === change);
      if (outcome === 'invalid') counts.invalid++;
      else if (outcome === 'failed') counts.killed++;
      else if (reason !== undefined) {
        counts.explained++;
        reason.lives = true;
      } else {
        counts.survived++;
        console.log(`${path}:${mutant.line}: lives: ${JSON.stringify({ contract: name, code: mutant.code, change })}`);
      }
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
  console.log(`${name}: ${mutants.length} mutants`, counts);
  return counts;
};

const explained = JSON.parse(readFileSync(join(root, 'contracts/mutants.json'), 'utf8'));
const names = readdirSync(join(root, 'contracts/src'))
  .filter((file) => file.endsWith('.sol'))
  .map((file) => file.slice(0, -'.sol'.length))
  .filter((name) => options.only === undefined || options.only === name);
if (names.length === 0) throw new Error(`There is no contract ${options.only} in contracts/src.`);

const survived = names.map((name) => mutateContract(name, explained).survived).reduce((sum, n) => sum + n, 0);
const isWhole = options.limit === undefined && options.from === '0' && !options.list;
const stale = isWhole ? explained.filter((entry) => names.includes(entry.contract) && !entry.lives) : [];
for (const entry of stale) console.log(`No longer lives, take it out of mutants.json: ${JSON.stringify(entry)}`);
if (survived > 0 || stale.length > 0) process.exit(1);
