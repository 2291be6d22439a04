/** What every `Ledger` promises, run on each implementation. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BookAccount, Entry, Ledger, StoredEntry } from '../relay/ledger/ledger.ts';

export interface LedgerCase {
  name: string;
  /** An empty ledger. */
  open(): Promise<Ledger>;
  /** The same one again, after `close`. Left out: it does not outlive its object. */
  reopen?: () => Promise<Ledger>;
  /** Why it cannot run here. */
  skip?: string | undefined;
}

const alice = `0x${'a1'.repeat(20)}` as const;
const bob = `0x${'b0'.repeat(20)}` as const;
const earnedAlice: BookAccount = `earned:${alice}`;
const payerBob: BookAccount = `payer:${bob}:${alice}`;

export function answerEntry(id: string, amount: bigint, evidence: Record<string, unknown> = {}): Entry {
  return {
    id,
    kind: 'answer',
    postings: [
      { account: payerBob, amount: -amount },
      { account: earnedAlice, amount },
    ],
    evidence,
  };
}

export async function collectEntries(ledger: Ledger, after?: number): Promise<StoredEntry[]> {
  const found = [];
  for await (const entry of ledger.entries(after)) found.push(entry);
  return found;
}

export function ledgerSuite({ name, open, reopen, skip }: LedgerCase): void {
  describe(`ledger: ${name}`, { skip: skip ?? false }, () => {
    let ledger: Ledger;
    before(async () => {
      ledger = await open();
    });
    after(() => ledger?.close());

    test('an account that was never named has nothing', async () => {
      assert.equal(await ledger.balance(earnedAlice), 0n);
      assert.deepEqual(await collectEntries(ledger), []);
    });

    test('an entry that does not add up to zero is refused, with all that came with it', async () => {
      const bad: Entry = { ...answerEntry('answer:bad', 5n), postings: [{ account: earnedAlice, amount: 5n }] };
      await assert.rejects(ledger.append([answerEntry('answer:with-bad', 7n), bad], [['fact:bad', '1']]), { code: 'unbalanced' });
      await assert.rejects(ledger.append([{ ...bad, postings: [] }]), { code: 'unbalanced' });
      assert.equal(await ledger.entry('answer:with-bad'), null);
      assert.equal(await ledger.read('fact:bad'), null);
      assert.equal(await ledger.balance(earnedAlice), 0n);
    });

    test('an id is booked once, however often and from how many sides it is appended', async () => {
      const added = await Promise.all(
        Array.from({ length: 5 }, () => ledger.append([answerEntry('answer:1', 3n, { price: 3n })])),
      );
      assert.deepEqual(added.sort(), [0, 0, 0, 0, 1]);
      assert.equal(await ledger.append([answerEntry('answer:1', 9n), answerEntry('answer:2', 4n)]), 1);
      assert.equal(await ledger.balance(earnedAlice), 7n);
      assert.equal(await ledger.balance(payerBob), -7n);
    });

    test('an entry reads back as it was written, its amounts to the wei beyond what a double can hold', async () => {
      const amount = (1n << 96n) - 1n;
      await ledger.append([answerEntry('answer:large', amount, { voucher: { total: amount }, list: [1, 'two'] })]);
      const entry = await ledger.entry('answer:large');
      assert.equal(entry?.postings[1]?.amount, amount);
      assert.deepEqual(entry.evidence, { voucher: { total: `${amount}` }, list: [1, 'two'] });
      assert.equal(await ledger.balance(earnedAlice), amount + 7n);
    });

    test('entries come in the order of their sequence, and from a cursor on', async () => {
      await ledger.append(Array.from({ length: 1_100 }, (_, index) => answerEntry(`answer:many:${index}`, 1n)));
      const all = await collectEntries(ledger);
      assert.equal(all.length, 1_103);
      assert.ok(all.every(({ sequence }, index) => index === 0 || sequence > all[index - 1]!.sequence));
      const rest = await collectEntries(ledger, all[600]!.sequence);
      assert.deepEqual(
        rest.map(({ id }) => id),
        all.slice(601).map(({ id }) => id),
      );
    });

    test('balances are listed by prefix, without those at zero', async () => {
      const carol = `0x${'c0'.repeat(20)}` as const;
      const move = (id: string, amount: bigint): Entry => ({
        id,
        kind: 'root',
        postings: [
          { account: `payroll:${carol}`, amount },
          { account: 'operator', amount: -amount },
        ],
        evidence: {},
      });
      await ledger.append([move('root:1', 10n)]);
      assert.deepEqual([...(await ledger.balances('payroll:'))], [[`payroll:${carol}`, 10n]]);
      await ledger.append([move('root:2', -10n)]);
      assert.deepEqual([...(await ledger.balances('payroll:'))], []);
    });

    test('a fact is written with the entries it belongs to, or when it was what the writer thought', async () => {
      await ledger.append([answerEntry('answer:fact', 1n)], [['fact:a', '1']]);
      assert.equal(await ledger.write('fact:a', '2', '0'), false);
      assert.equal(await ledger.write('fact:a', '2', '1'), true);
      assert.equal(await ledger.write('fact:b', 'x', null), true);
      assert.equal(await ledger.write('fact:b', 'y', null), false);
      assert.equal(await ledger.write('fact:b', 'z'), true);
      assert.deepEqual(await ledger.list('fact:'), [
        ['fact:a', '2'],
        ['fact:b', 'z'],
      ]);
    });

    test('of many that compare and set at once, one wins each time', async () => {
      await ledger.write('fact:race', '0');
      const won = await Promise.all(Array.from({ length: 8 }, (_, index) => ledger.write('fact:race', `${index + 1}`, '0')));
      assert.equal(won.filter(Boolean).length, 1);
    });

    test('an intent is planned once, changed as it goes, and no longer open at its end', async () => {
      const plan = { id: 'propose:1', kind: 'propose' as const, body: { total: 5n } };
      assert.equal((await ledger.plan(plan)).state, 'planned');
      await ledger.plan({ ...plan, id: 'accept:1', kind: 'accept' });
      await ledger.update('propose:1', { state: 'sent', nonce: 3, hashes: ['0xaa'] });
      const again = await ledger.plan({ ...plan, body: { total: 6n } });
      assert.deepEqual(again, { ...plan, body: { total: '5' }, state: 'sent', nonce: 3, hashes: ['0xaa'], error: null });
      assert.deepEqual(
        (await ledger.openIntents()).map(({ id }) => id),
        ['propose:1', 'accept:1'],
      );
      await ledger.update('propose:1', { state: 'confirmed' });
      await ledger.update('accept:1', { state: 'failed', error: 'WindowOpen' });
      assert.deepEqual(await ledger.openIntents(), []);
      assert.equal((await ledger.intent('accept:1'))?.error, 'WindowOpen');
      await assert.rejects(ledger.update('accept:2', { state: 'sent' }), { code: 'not_found' });
    });

    test('everything is there again after closing and opening', {
      skip: reopen ? false : 'lives as long as its object',
    }, async () => {
      const before = await collectEntries(ledger);
      await ledger.close();
      ledger = await reopen!();
      assert.deepEqual(await collectEntries(ledger), before);
      assert.equal(await ledger.read('fact:a'), '2');
      assert.equal((await ledger.intent('propose:1'))?.nonce, 3);
    });
  });
}
