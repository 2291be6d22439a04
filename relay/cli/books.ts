/** `vessel books`: what the relay owes and is owed, and whether that is true. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import { readDeployment } from '../chain/deploy.ts';
import { readHotKey } from '../chain/hot-key.ts';
import { LocalChain, localChainId } from '../chain/local-chain.ts';
import { openClient, ViemChain } from '../chain/viem-chain.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { answerBooks, type CheckAnswer, checkAnswer, type EntryAnswer, entryAnswer } from '../payments/books-report.ts';
import { askBooks, booksSocketPath } from '../payments/books-socket.ts';
import { catchUpBooks } from '../payments/chain-watch.ts';
import { FileStore } from '../storage/file-store.ts';
import { addressesPath, hotKeyPath, localNetworkFolders, readOperator } from './chain-folders.ts';
import { type Command, type CommandIo, UsageError } from './command.ts';
import { type DataFolder, dataFolderPath, openDataFolder } from './data-folder.ts';
import { parseOptions } from './parse-options.ts';
import { requireChainId } from './remote-chain.ts';

const usage = `usage: vessel books check [--json]
       vessel books list [--json]
       vessel books show <entry>

check computes the books again from signed receipts, credits and vouchers, compares them with what was booked and with the chain, and
prints each comparison. It ends with 1 when anything differs. list shows the newest 100 entries, show one with its papers.

A relay that runs answers itself; otherwise its data folder is read.

  --chain <rpc url>       the chain, when no relay runs (default: this machine's own)
  --addresses <file>      where its contracts are (default: what vessel chain deploy wrote into the data folder)
  --operator <address>    whose payroll it is (default: the one in <data>/relay/operator, or the relay's key)
  --json                  print JSON
  --data <folder>         data folder of the relay (default: VESSEL_HOME or ~/.vessel)
`;

const options = {
  json: { type: 'boolean' },
  chain: { type: 'string' },
  addresses: { type: 'string' },
  operator: { type: 'string' },
  data: { type: 'string' },
} as const;

interface ChainChoice {
  chain?: string | undefined;
  addresses?: string | undefined;
  operator?: string | undefined;
}

export const booksCommand: Command = {
  name: 'books',
  summary: 'check what the relay owes and is owed against receipts and chain',
  usage,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, options);
    const [action, target] = positionals;
    const data = await openDataFolder(dataFolderPath(io.env, values.data));
    const ask = (path: string) => askRelayOrFolder(path, data, values, io);
    switch (action) {
      case 'check': {
        const text = await ask('/check');
        const report = checkAnswer.parse(JSON.parse(text));
        io.stdout.write(values.json ? `${text}\n` : checkText(report));
        return report.difference === '0' && report.faults.length === 0 ? 0 : 1;
      }
      case 'list': {
        const text = await ask('/list');
        io.stdout.write(values.json ? `${text}\n` : listText(z.array(entryAnswer).parse(JSON.parse(text))));
        return 0;
      }
      case 'show': {
        if (!target) throw new UsageError('name the entry: vessel books list shows them');
        const entry = entryAnswer.parse(JSON.parse(await ask(`/show/${encodeURIComponent(target)}`)));
        io.stdout.write(`${JSON.stringify(entry, null, 2)}\n`);
        return 0;
      }
      default:
        throw new UsageError(
          action === undefined ? 'say what to do: check, list or show' : `vessel books does not know "${action}"`,
        );
    }
  },
};

async function askRelayOrFolder(path: string, data: DataFolder, choice: ChainChoice, io: CommandIo): Promise<string> {
  const answered = await askBooks(booksSocketPath(data.relay), path);
  if (answered !== null) return answered;
  const lock = await data.lock();
  try {
    if (!io.env.DATABASE_URL && !existsSync(join(data.relay, 'ledger')))
      throw new VesselError('not_found', `${data.path} has no books: no relay with a chain has run on it.`);
    const operator = (choice.operator?.toLowerCase() ??
      (await readOperator(data)) ??
      (await readHotKey(hotKeyPath(data)))?.address.toLowerCase()) as Address | undefined;
    if (!operator) throw new UsageError('say whose books they are: --operator <address>');
    const { chain, close } = await openChainOf(data, choice, io);
    try {
      const ledger = await openLedger(data.relay, io.env.DATABASE_URL);
      try {
        const text = await answerBooks(path, { ledger, chain, operator, catchUp: () => catchUpBooks(ledger, chain, operator) });
        if (text === null) throw new VesselError('not_found', 'There is no such entry in the books.');
        return text;
      } finally {
        await ledger.close();
      }
    } finally {
      await close();
    }
  } finally {
    await lock.release();
  }
}

/** The chain named, or this machine's own, which is started for the moment. */
async function openChainOf(
  data: DataFolder,
  choice: ChainChoice,
  io: CommandIo,
): Promise<{ chain: Chain; close(): Promise<void> }> {
  const local =
    choice.chain === undefined ? await LocalChain.start(localNetworkFolders(data).chain, { signal: io.signal }) : null;
  try {
    const rpcUrl = choice.chain ?? local!.url;
    const chainId = local ? localChainId : await requireChainId(rpcUrl);
    const path = choice.addresses ?? addressesPath(data, chainId);
    const deployment = await readDeployment(new FileStore(path));
    if (!deployment) throw new VesselError('not_found', `${path} has no addresses of contracts: run vessel chain deploy first.`);
    return { chain: new ViemChain(openClient(rpcUrl), deployment), close: async () => local?.close() };
  } catch (error) {
    await local?.close();
    throw error;
  }
}

function checkText({ comparisons, faults, difference, counts, owed, float }: CheckAnswer): string {
  const { entries, answers, receipts, credits, epoch } = counts;
  const width = Math.max(...comparisons.map(({ name }) => name.length));
  const lines = comparisons.map(({ name, left, right }) => {
    const isEqual = left[1] === right[1];
    const sides = isEqual
      ? `${left[1]} wei, ${left[0]} and ${right[0]} alike`
      : `${left[0]} ${left[1]}, ${right[0]} ${right[1]}  DIFFERENT`;
    return `  ${name.padEnd(width)}  ${sides}`;
  });
  return [
    `${entries} entries, ${answers} answers, ${receipts} receipts, ${credits} credits, epoch ${epoch}`,
    ...lines,
    ...faults.map((fault) => `  FAULT  ${fault}`),
    `payers owe ${owed} wei not yet collected; the operator has put in ${float} wei`,
    `difference: ${difference} wei${faults.length > 0 ? `, ${faults.length} faults` : ''}`,
    '',
  ].join('\n');
}

function listText(entries: readonly EntryAnswer[]): string {
  return entries
    .map(({ sequence, atMs, id, postings }) => {
      const moved = postings.reduce((sum, { amount }) => (amount.startsWith('-') ? sum : sum + BigInt(amount)), 0n);
      return `${sequence}  ${new Date(atMs).toISOString()}  ${id}  ${moved} wei\n`;
    })
    .join('');
}
