/**
 * `vessel chain rotate-key`: a new hot key for a relay. The new key is in the data folder before anything is sent, and the file of the
 * hot key changes last, in one rename: killed anywhere, the same command goes on.
 *
 *   hot-key             what the relay uses
 *   hot-key.next        while a rotation is under way
 *   hot-key.<address>   old keys; never deleted, as one may still be the operator
 *   operator            whose payroll it is, once that is no longer the hot key itself
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { PublicClient } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { Deployment } from '../chain/deploy.ts';
import { openHotKey, readHotKey } from '../chain/hot-key.ts';
import { openChain } from '../chain/open-chain.ts';
import type { RelayChain } from '../chain/relay-chain.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { handOver } from '../money/hand-over.ts';
import { FileStore } from '../storage/file-store.ts';
import { forgetNextKey, hotKeyPath, nextHotKeyPath, operatorPath, readOperator } from './chain-folders.ts';
import type { CommandIo } from './command.ts';
import type { DataFolder } from './data-folder.ts';

export interface RotateKeyOptions {
  rpcUrl: string;
  client: PublicClient;
  deployment: Deployment;
  confirmations: number;
  /** Left out: the one that the folder names, or the old key itself. */
  operator?: Address;
  operatorKey?: PrivateKeyAccount;
  pollMs: number;
}

/** Returns the new key's address. Throws `forbidden` while a relay runs on the folder. */
export async function rotateKey(data: DataFolder, options: RotateKeyOptions, io: CommandIo): Promise<Address> {
  const lock = await data.lock();
  try {
    const old = await readHotKey(hotKeyPath(data));
    if (!old) throw new VesselError('not_found', `${hotKeyPath(data)} is not there: this relay has no key to rotate.`);
    const next = await openHotKey(nextHotKeyPath(data));
    // Killed after the last rename: only the name of the rotation is left to remove.
    if (old.address !== next.address) await replace(data, old, next, options, io);
    await forgetNextKey(data);
    return next.address.toLowerCase() as Address;
  } finally {
    await lock.release();
  }
}

async function replace(
  data: DataFolder,
  old: PrivateKeyAccount,
  next: PrivateKeyAccount,
  options: RotateKeyOptions,
  io: CommandIo,
): Promise<void> {
  const { client, rpcUrl, deployment, confirmations, pollMs, operatorKey } = options;
  const before = old.address.toLowerCase() as Address;
  const operator = options.operator ?? (await readOperator(data)) ?? before;
  const onProgress = (note: string) => void io.stderr.write(`${note}\n`);
  onProgress(`from ${before} to ${next.address.toLowerCase()}, for the operator ${operator}`);
  const relayChain = openChain({
    rpcUrl,
    client,
    deployment,
    key: old,
    confirmations,
    operator,
    pollMs,
    onTrouble: (error) => onProgress(error.message),
  });
  await finishTransactions(data, relayChain, io, pollMs);
  onProgress('nothing of the old key is under way');
  const { chain } = relayChain;
  const parts = { client, chain, old, next, operator, pollMs, signal: io.signal, onProgress };
  await handOver({ ...parts, ...(operatorKey ? { operatorKey } : {}) });
  await new FileStore(join(data.relay, `hot-key.${before}`)).write((await new FileStore(hotKeyPath(data)).read())!);
  if (operator === before) await new FileStore(operatorPath(data)).write(`${operator}\n`);
  onProgress('the old key is put aside');
  await new FileStore(hotKeyPath(data)).write((await new FileStore(nextHotKeyPath(data)).read())!);
  onProgress('the relay has the new key');
}

/** What the relay has begun to send belongs to the old key, and to its nonces. */
async function finishTransactions(data: DataFolder, relayChain: RelayChain, io: CommandIo, pollMs: number): Promise<void> {
  if (!io.env.DATABASE_URL && !existsSync(join(data.relay, 'ledger'))) return;
  const ledger = await openLedger(data.relay, io.env.DATABASE_URL);
  const sender = relayChain.openSender(ledger);
  try {
    await sender.resume();
    for (let left = await ledger.openIntents(); left.length > 0; left = await ledger.openIntents()) {
      io.stderr.write(`waiting for ${left.length} transactions of the relay\n`);
      await wait(Math.max(pollMs, 500), undefined, { signal: io.signal });
    }
  } finally {
    await sender.close();
    await ledger.close();
  }
}
