/**
 * A payroll root with all its leaves, as JSON that anybody can download and keep: whoever has the file can prove and claim without
 * the relay that made it.
 */
import { z } from 'zod';
import { VesselError } from '../protocol/errors.ts';
import { account } from '../protocol/ids.ts';
import { wei } from '../protocol/payment-messages.ts';
import type { Address, Hex } from './hex.ts';
import { buildPayrollTree, type Leaf, type PayrollTree } from './payroll-tree.ts';

/** 130 bytes of JSON each: a file of 130 MB, the most a tab parses without trouble. */
const maxLeaves = 1_000_000;

const payrollSchema = z.strictObject({
  operator: account,
  epoch: z.number().int().min(1).max(0xffff_ffff),
  root: z.string().regex(/^0x[0-9a-f]{64}$/),
  total: wei,
  leaves: z
    .array(z.strictObject({ account, cumulative: wei, next: account }))
    .min(1)
    .max(maxLeaves),
});

export interface Payroll {
  operator: Address;
  epoch: number;
  tree: PayrollTree;
}

/** One leaf a line, so that two epochs can be compared with ordinary tools. */
export function toJson({ operator, epoch, tree }: Payroll): string {
  const leaves = tree.leaves.map((leaf) => JSON.stringify({ ...leaf, cumulative: `${leaf.cumulative}` }));
  const head = JSON.stringify({ operator: operator.toLowerCase(), epoch, root: tree.root, total: `${tree.total}` });
  return `${head.slice(0, -1)},"leaves":[\n${leaves.join(',\n')}\n]}\n`;
}

/**
 * Reads a payroll file and computes its root again.
 * @throws VesselError `bad_message` if it is not one, or if root, total or order are not what its leaves give. Whether the chain has this
 * root is for the caller to compare.
 */
export function parsePayroll(text: string): Payroll {
  const { operator, epoch, root, total, leaves } = parse(text);
  const tree = treeOf(new Map(leaves.slice(1).map((leaf) => [leaf.account as Address, leaf.cumulative])));
  const isWhole = tree.leaves.length === leaves.length && tree.leaves.every((leaf, index) => isSame(leaf, leaves[index]!));
  if (!isWhole || tree.root !== (root as Hex) || tree.total !== total)
    throw new VesselError('bad_message', 'The payroll file does not add up to the root it names.');
  return { operator: operator as Address, epoch, tree };
}

function treeOf(amounts: ReadonlyMap<Address, bigint>): PayrollTree {
  try {
    return buildPayrollTree(amounts);
  } catch (cause) {
    throw new VesselError('bad_message', 'The payroll file names accounts or amounts that no payroll has.', { cause });
  }
}

function parse(text: string): z.infer<typeof payrollSchema> {
  try {
    return payrollSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new VesselError('bad_message', 'This is not a payroll file.', { cause });
  }
}

function isSame(a: Leaf, b: { account: string; cumulative: bigint; next: string }): boolean {
  return a.account === b.account && a.cumulative === b.cumulative && a.next === b.next;
}
