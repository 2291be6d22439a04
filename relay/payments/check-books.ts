/**
 * Recomputes the books from their evidence alone (signed receipts, credits, vouchers, the payroll files) and compares them with what was
 * booked and with the chain. Changes nothing: what others did on chain has to be booked before
 * (`catchUpBooks`). Every comparison must come out at zero wei.
 */
import type { Address } from '../../shared/receipts/hex.ts';
import { parsePayroll } from '../../shared/receipts/payroll-file.ts';
import { buildPayrollTree, type PayrollTree } from '../../shared/receipts/payroll-tree.ts';
import type { Chain } from '../chain/chain.ts';
import type { BookAccount, Entry, Ledger, Posting } from '../ledger/ledger.ts';
import { type AnswerEvidence, answerEntry, answerEvidence } from './answer-entry.ts';
import { checkAnswerPapers, checkCharge, checkCredit } from './check-papers.ts';
import { chargeFact, creditFact, directFact, epochFact, keys, readFact } from './facts.ts';
import { bookEvents } from './payroll-events.ts';

export interface Comparison {
  name: string;
  /** What the two sides are called, and what they say in wei. */
  left: [string, bigint];
  right: [string, bigint];
}

export interface BooksReport {
  comparisons: Comparison[];
  /** Papers that are not what they should be: each a sentence. */
  faults: string[];
  /** Sum of all differences, each without its sign. */
  difference: bigint;
  /** For people: how much there is. */
  counts: { entries: number; answers: number; receipts: number; credits: number; epoch: number };
  /** Wei that answers have cost beyond what could be collected so far, and what the operator has put in. */
  owed: bigint;
  float: bigint;
}

type Totals = Map<string, bigint>;

export async function checkBooks(ledger: Ledger, newest: Chain, operator: Address): Promise<BooksReport> {
  const known = await ledger.list(keys.publishers);
  const publishers = [operator, ...known.map(([key]) => key.slice(keys.publishers.length) as Address)];
  const faults: string[] = [];
  const comparisons: Comparison[] = [];
  const compare = (name: string, left: Comparison['left'], right: Comparison['right']) => comparisons.push({ name, left, right });
  const compareAll = (name: string, left: [string, Totals], right: [string, Totals]) => compareTotals(compare, name, left, right);
  const counts = { entries: 0, answers: 0, receipts: 0, credits: 0, epoch: 0 };
  const booked: Totals = new Map();
  const computed: Totals = new Map();
  const charged: Totals = new Map();
  const collected: Totals = new Map();
  const claims: Totals = new Map();
  const direct: Totals = new Map();
  const paidOut: Totals = new Map();
  const bookedAnswers: Totals = new Map();
  let float = 0n;
  let unbalanced = 0n;
  const { place } = newest;
  const readFrom = BigInt((await ledger.read(keys.eventBlock)) ?? newest.firstBlock);
  const bookedEvents = new Set<string>();
  /** Forfeited, by the epoch whose root it was taken from. */
  const forfeits: [epoch: number, amount: bigint][] = [];

  for await (const entry of ledger.entries()) {
    counts.entries += 1;
    unbalanced += absolute(entry.postings.reduce((sum, { amount }) => sum + amount, 0n));
    for (const { account, amount } of entry.postings) add(booked, account, amount);
    const { evidence } = entry;
    if (entry.kind === 'answer') {
      const parsed = answerEvidence.safeParse(evidence);
      if (!parsed.success) {
        faults.push(`${entry.id}: its evidence cannot be read.`);
        continue;
      }
      counts.answers += 1;
      counts.receipts += parsed.data.receipts.length;
      for (const { account, amount } of entry.postings) add(bookedAnswers, account, amount);
      faults.push(...(await checkAnswer(entry.id, parsed.data, charged)));
      for (const { account, amount } of answerEntry(parsed.data).postings) add(computed, account, amount);
    } else if (entry.kind === 'collect') {
      for (const { account, amount } of entry.postings)
        if (account !== 'operator') add(collected, account.slice('payer:'.length), amount);
    } else if (entry.kind === 'float') {
      float -= amountOf(entry.postings, 'operator');
    } else if (entry.id.startsWith('payroll-event:')) {
      bookedEvents.add(entry.id);
      addClaim(entry);
    } else if (entry.kind === 'direct') {
      add(direct, `${evidence.payer}:${evidence.sessionKey}:${evidence.payee}`, entry.postings[1]!.amount);
    } else if (entry.kind === 'claim') {
      add(paidOut, `${evidence.payer}:${evidence.sessionKey}:${evidence.payee}`, entry.postings[1]!.amount);
    }
  }

  async function checkAnswer(id: string, evidence: AnswerEvidence, totals: Totals): Promise<string[]> {
    const price = answerEntry(evidence).postings[0]!.amount;
    const { payer, sessionKey, cumulative } = evidence.charge;
    const name = `${payer}:${sessionKey}`;
    add(totals, name, -price);
    const found = await checkAnswerPapers(id, evidence, place, operator, publishers);
    if (cumulative !== totals.get(name))
      found.push(`${id}: its voucher is over ${cumulative} wei, its receipts make ${totals.get(name)}.`);
    return found;
  }

  // Everything of one block, which no reorganisation takes back.
  const chain = await newest.confirmed();

  compare('every entry adds up to zero', ['entries', unbalanced], ['zero', 0n]);
  compareAll('balances', ['kept', new Map(await ledger.balances(''))], ['from entries', booked]);
  compareAll('answers', ['books', bookedAnswers], ['receipts', computed]);

  const vouchers: Totals = new Map();
  for (const [, text] of await ledger.list(keys.charges)) {
    const charge = readFact(chargeFact, text);
    faults.push(...checkCharge(charge, place, operator));
    add(vouchers, `${charge.payer}:${charge.sessionKey}`, charge.cumulative);
  }
  compareAll('charged by vouchers', ['vouchers', vouchers], ['receipts', charged]);

  const onChain: Totals = new Map();
  for (const name of vouchers.keys()) {
    const [payer, sessionKey] = name.split(':') as [Address, Address];
    add(onChain, name, (await chain.channelOf(payer, sessionKey, operator)).paidOut);
  }
  // Between the chain's part of a collection and its entry the books are behind; a relay that is started again catches up.
  const isCollecting = !!(await ledger.read(keys.collecting));
  compareAll('collected from payers', ['books', isCollecting ? onChain : collected], ['chain', onChain]);

  const accepted = Number((await ledger.read(keys.acceptedEpoch)) ?? 0);
  counts.epoch = accepted;
  const tree = await treeOf(accepted);
  const given: Totals = new Map(
    tree?.leaves.flatMap(({ account, cumulative }) => (cumulative > 0n ? [[account, cumulative]] : [])),
  );
  const inRoots: Totals = new Map();
  for (const [account, amount] of booked)
    if (account.startsWith('payroll:')) add(inRoots, account.slice('payroll:'.length), amount);
  for (const [account, amount] of claims) add(inRoots, account.slice(account.indexOf(':') + 1), amount);
  compareAll('given by roots', ['books', inRoots], ['payroll file', given]);

  const current = await chain.currentOf(operator);
  const currentTree = current.epoch === accepted ? tree : await treeOf(current.epoch);
  if (current.epoch > 0 && current.root !== currentTree?.root)
    faults.push(`The root of epoch ${current.epoch} on chain is not that of its payroll file.`);

  await addUnbooked();
  // What was taken from a root that does not count yet is allocated beside the one that does.
  const ahead = forfeits.reduce((sum, [epoch, amount]) => (epoch > current.epoch ? sum + amount : sum), 0n);
  compare(`root total of epoch ${current.epoch}`, ['chain', current.total], ['payroll file', (currentTree?.total ?? 0n) + ahead]);
  let spent = 0n;
  const spentBy: Totals = new Map();
  const accounts = new Set(currentTree?.leaves.map((leaf) => leaf.account));
  for (const name of claims.keys()) accounts.add(name.slice(name.indexOf(':') + 1) as Address);
  for (const account of accounts) {
    const { paid, forfeited } = await chain.paidOf(operator, account);
    add(spentBy, `paid:${account}`, paid);
    add(spentBy, `forfeited:${account}`, forfeited);
  }
  for (const amount of claims.values()) spent += amount;
  compareAll('paid by the payroll', ['books', claims], ['chain', spentBy]);
  compare('payroll spent', ['books', spent], ['chain', await chain.spentOf(operator)]);

  const funded = await chain.fundedOf(operator);
  atLeast('payroll funded for its root', funded, current.total);
  atLeast('AIC held by the payroll', await chain.aicOf(chain.addresses.payroll), funded - (await chain.spentOf(operator)));

  for (const [, text] of await ledger.list(keys.credits)) {
    const credit = readFact(creditFact, text);
    counts.credits += 1;
    faults.push(...checkCredit(credit, place, operator, publishers));
    const earned = sumOf(computed, `earned:${credit.account}`);
    atLeast(`promised to ${credit.account} for what it earned`, credit.cumulative, earned);
    if (credit.epoch <= accepted)
      atLeast(`root's part of ${credit.account} for its credit`, given.get(credit.account) ?? 0n, credit.cumulative);
  }
  await checkFloat();

  const directClaimed: Totals = new Map();
  const directPaid: Totals = new Map();
  for (const [, text] of await ledger.list(keys.directs)) {
    const { payer, sessionKey, claimed } = readFact(directFact, text);
    for (const payee of Object.keys(claimed) as Address[]) {
      const state = await chain.channelOf(payer, sessionKey, payee);
      add(directClaimed, `${payer}:${sessionKey}:${payee}`, state.claimed);
      add(directPaid, `${payer}:${sessionKey}:${payee}`, state.paidOut);
    }
  }
  compareAll('claimed for accounts paid directly', ['books', direct], ['chain', directClaimed]);
  compareAll('paid out to accounts paid directly', ['books', paidOut], ['chain', directPaid]);

  const difference = comparisons.reduce((sum, { left, right }) => sum + absolute(left[1] - right[1]), 0n);
  let owed = 0n;
  for (const [account, amount] of booked) if (account.startsWith('payer:')) owed -= amount;
  return { comparisons, faults, difference, counts, owed, float };

  /** What is lacking counts as difference; what is over does not. */
  function atLeast(name: string, has: bigint, needs: bigint): void {
    if (has < needs) compare(name, ['has', has], ['needs', needs]);
  }

  async function treeOf(epoch: number): Promise<PayrollTree | null> {
    const text = await ledger.read(keys.payroll(epoch));
    return text === null ? (epoch === 0 ? buildPayrollTree(new Map()) : null) : parsePayroll(text).tree;
  }

  function addClaim({ kind, postings, evidence }: Entry): void {
    for (const { account, amount } of postings) if (!account.startsWith('payroll:')) add(claims, account, amount);
    if (kind === 'forfeit') forfeits.push([Number(evidence.epoch), BigInt(evidence.amount as string | bigint)]);
  }

  /** Events that the relay had not yet read when it stopped. */
  async function addUnbooked(): Promise<void> {
    for (let from = readFrom; ; ) {
      const page = await chain.events(from);
      const { entries } = await bookEvents(ledger, page.events, operator);
      for (const entry of entries) if (!bookedEvents.has(entry.id)) addClaim(entry);
      if (page.isCaughtUp) return;
      from = page.next;
    }
  }

  /** What roots gave beyond receipts, epoch by epoch, is what the operator has put in. */
  async function checkFloat(): Promise<void> {
    let sum = 0n;
    for (let epoch = 1; epoch <= accepted; epoch += 1) {
      const text = await ledger.read(keys.epoch(epoch));
      if (text === null) faults.push(`The lines of epoch ${epoch} are missing.`);
      else for (const line of readFact(epochFact, text).lines) sum += line.float;
    }
    compare('put in by the operator', ['books', float], ['epochs', sum]);
  }
}

function compareTotals(
  compare: (name: string, left: Comparison['left'], right: Comparison['right']) => void,
  name: string,
  [leftName, left]: [string, Totals],
  [rightName, right]: [string, Totals],
): void {
  const wrong = [...new Set([...left.keys(), ...right.keys()])].filter((key) => (left.get(key) ?? 0n) !== (right.get(key) ?? 0n));
  // Sums can agree by chance: what differs is named, one by one.
  for (const key of wrong) compare(`${name}: ${key}`, [leftName, left.get(key) ?? 0n], [rightName, right.get(key) ?? 0n]);
  const positive = (totals: Totals) => [...totals.values()].reduce((sum, amount) => (amount > 0n ? sum + amount : sum), 0n);
  if (wrong.length === 0) compare(name, [leftName, positive(left)], [rightName, positive(right)]);
}

function add(totals: Totals, key: string, amount: bigint): void {
  const sum = (totals.get(key) ?? 0n) + amount;
  if (sum === 0n) totals.delete(key);
  else totals.set(key, sum);
}

const absolute = (amount: bigint) => (amount < 0n ? -amount : amount);
const sumOf = (totals: Totals, key: string) => totals.get(key) ?? 0n;
const amountOf = (postings: readonly Posting[], name: BookAccount) =>
  postings.find(({ account }) => account === name)?.amount ?? 0n;
