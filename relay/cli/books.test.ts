import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { RecordedIo } from '../../testing/command-io.ts';
import { openLocalNetwork } from '../chain/local-network.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { openPaidNetwork } from '../money/open-paid-network.ts';
import { keys } from '../payments/facts.ts';
import { localNetworkFolders } from './chain-folders.ts';
import { openDataFolder } from './data-folder.ts';
import { main } from './main.ts';

const skip = skipWithoutAnvil;
let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'vessel-books-'));
});
after(() => rm(home, { recursive: true, force: true }));

async function books(...args: string[]) {
  const io = new RecordedIo({ VESSEL_HOME: home });
  return { code: await main(['books', ...args], io), out: io.out, err: io.err };
}

test('without books it says so', async () => {
  const { code, err } = await books('check');
  assert.equal(code, 1);
  assert.match(err, /has no books/);
});

test('books are checked through the relay that runs, and in its folder when none does; a wei too much is found', {
  skip,
}, async () => {
  const data = await openDataFolder(home);
  const network = await openLocalNetwork(localNetworkFolders(data));
  const paid = await openPaidNetwork({
    relayChain: network.relayChain,
    folder: data.relay,
    databaseUrl: undefined,
    layersOf: () => 1,
    domains: () => [],
  });
  const running = await books('check');
  assert.deepEqual([running.code, running.err], [0, '']);
  assert.match(running.out, /difference: 0 wei\n$/);
  await paid.close();
  await network.close();

  const { code, out, err } = await books('check');
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /difference: 0 wei\n$/);
  assert.equal((await books('list')).code, 0);

  const ledger = await openLedger(data.relay, undefined);
  const account = `0x${'ab'.repeat(20)}` as const;
  const posting = { account: `payroll:${account}`, amount: 1n } as const;
  await ledger.append([{ id: 'root:1', kind: 'root', postings: [posting, { account: 'operator', amount: -1n }], evidence: {} }]);
  await ledger.write(keys.acceptedEpoch, '0');
  await ledger.close();
  const wrong = await books('check', '--json');
  assert.equal(wrong.code, 1);
  assert.equal(JSON.parse(wrong.out).difference, '1');
  assert.equal(JSON.parse((await books('show', 'root:1')).out).postings[0].amount, '1');
});
