/**
 * Puts a counter into every block of a module, so that after an input one can see what ran: function bodies, both sides of `if`,
 * `?:` and `&&`, loop bodies, cases, handlers, defaults. Also collects the literals, which are the words a decoder compares with.
 * Line numbers stay as they are.
 */
import { parseAst } from 'rolldown/parseAst';

export interface Literals {
  words: Set<string>;
  numbers: Set<number>;
}

interface Node {
  type: string;
  start: number;
  end: number;
  [field: string]: unknown;
}

/** Name of the counters on `globalThis`. */
export const countersName = '__vesselFuzzCounters';
const prologue = `const $fuzz=globalThis.${countersName};`;

/** @param nextCounter gives each block its number */
export function instrument(source: string, language: 'ts' | 'js', nextCounter: () => number, literals: Literals): string {
  const inserts: { at: number; text: string; order: number }[] = [];
  const put = (at: number, text: string, order = 0) => inserts.push({ at, text, order });
  /** For what closes: the later it is met, the further inside it is, and the earlier it comes. */
  const closing = () => -inserts.length - 1;
  const count = () => `$fuzz[${nextCounter()}]++`;
  const wrap = (node: unknown) => {
    const { start, end } = node as Node;
    put(start, `(${count()},`);
    put(end, ')', closing());
  };
  const enter = (statement: unknown) => {
    const node = statement as Node;
    if (node.type === 'BlockStatement') return put(node.start + 1, `${count()};`);
    put(node.start, `{${count()};`);
    put(node.end, '}', closing());
  };

  const visit = (node: Node): void => {
    switch (node.type) {
      case 'FunctionDeclaration':
      case 'FunctionExpression':
        if (node.body) enter(node.body);
        break;
      case 'ArrowFunctionExpression':
        if ((node.body as Node).type === 'BlockStatement') enter(node.body);
        else wrap(node.body);
        break;
      case 'IfStatement': {
        const order = closing();
        enter(node.consequent);
        if (node.alternate) enter(node.alternate);
        else put(node.end, ` else{${count()}}`, order);
        break;
      }
      case 'ForStatement':
      case 'ForInStatement':
      case 'ForOfStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'CatchClause':
        enter(node.body);
        break;
      case 'SwitchCase': {
        const first = (node.consequent as Node[])[0];
        if (first) put(first.start, `${count()};`);
        break;
      }
      case 'ConditionalExpression':
        wrap(node.consequent);
        wrap(node.alternate);
        break;
      case 'LogicalExpression':
        wrap(node.right);
        break;
      case 'AssignmentPattern':
        wrap(node.right);
        break;
      case 'Literal':
        collect(node.value, literals);
        break;
      case 'Property':
        if (!node.computed && (node.key as Node).type === 'Identifier') collect((node.key as Node).name, literals);
        break;
    }
    for (const field in node) {
      const child = node[field];
      if (isTypeField(field)) continue;
      if (Array.isArray(child)) for (const item of child) if (isNode(item)) visit(item);
      if (isNode(child)) visit(child);
    }
  };
  visit(parseAst(source, { lang: language }) as unknown as Node);

  // At one place what closes comes before what opens.
  inserts.sort((a, b) => a.at - b.at || a.order - b.order);
  let output = prologue;
  let at = 0;
  for (const insert of inserts) {
    output += source.slice(at, insert.at) + insert.text;
    at = insert.at;
  }
  return output + source.slice(at);
}

function isTypeField(field: string): boolean {
  return field === 'typeAnnotation' || field === 'returnType' || field === 'typeParameters' || field === 'typeArguments';
}

function isNode(value: unknown): value is Node {
  if (typeof value !== 'object' || value === null || !('type' in value) || typeof value.type !== 'string') return false;
  // Of TypeScript's own nodes only those with an expression in them run.
  return !value.type.startsWith('TS') || 'expression' in value;
}

function collect(value: unknown, { words, numbers }: Literals): void {
  if (typeof value === 'string' && value.length > 0 && value.length <= 40 && !value.includes('/')) words.add(value);
  if (typeof value === 'number' && Number.isFinite(value)) numbers.add(value);
}
