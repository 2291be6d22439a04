/** The small mistakes that mutate.mjs makes in a contract. */
import { createRequire } from 'node:module';

const solc = createRequire(import.meta.url)('solc');

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

/** The same for the functions of assembly. */
const yulFunctions = { add: 'sub', sub: 'add', shl: 'shr', shr: 'shl', or: 'and', and: 'or', lt: 'gt', gt: 'lt' };

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
export const mutantsOf = (source) => {
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
      case 'YulExpressionStatement':
        add(start, end, '{}');
        break;
      case 'YulFunctionCall': {
        const at = rangeOf(node.functionName);
        if (yulFunctions[node.functionName.name]) add(at.start, at.end, yulFunctions[node.functionName.name]);
        break;
      }
      case 'YulLiteral':
        if (node.kind === 'number') add(start, end, `add(${text(start, end)}, 1)`);
        break;
      case 'ModifierInvocation':
        // Those of a constructor are its parents.
        if (!/^[A-Z]/.test(text(start, end))) add(start, end, '');
        break;
    }
  });
  return mutants;
};

export const describeMutant = ({ original, replacement }) => `${original} → ${replacement === '' ? 'nothing' : replacement}`;

/** The source with the one change in it. */
export const applyMutant = (source, { start, end, replacement }) => {
  const bytes = Buffer.from(source);
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(replacement), bytes.subarray(end)]).toString();
};
