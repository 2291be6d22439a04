/** A payroll file, which anybody may hand to anybody. One that is accepted is written back as the same payroll. */
import { deepEqual } from 'node:assert/strict';
import { parsePayroll, toJson } from '../../shared/receipts/payroll-file.ts';
import { buildPayrollTree } from '../../shared/receipts/payroll-tree.ts';
import type { TextTarget } from '../engine/target.ts';
import { at } from '../samples/message-samples.ts';

const payroll = (amounts: [string, bigint][]) =>
  toJson({ operator: at('1'), epoch: 7, tree: buildPayrollTree(new Map(amounts.map(([digit, amount]) => [at(digit), amount]))) });

export const target: TextTarget = {
  name: 'payroll-file',
  form: 'json',
  maxLength: 16 * 1024,
  seeds: [
    payroll([]),
    payroll([
      ['3', 5n],
      ['4', 2n ** 90n],
    ]),
  ],
  refusals: ['bad_message'],
  decode(text) {
    const parsed = parsePayroll(text);
    deepEqual(toJson(parsePayroll(toJson(parsed))), toJson(parsed));
    return `${Math.min(3, parsed.tree.leaves.length)}`;
  },
};
