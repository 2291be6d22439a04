/** One transaction at a time, from the wallet's window to the block; a reload goes on waiting for the one under way. */
import { useEffect, useRef } from 'react';
import { z } from 'zod';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { Hex } from '../../../shared/receipts/hex.ts';
import { keep, readKept } from '../money/kept.ts';
import { type Action, useAction } from '../money/use-action.ts';
import type { ConnectedWallet, WalletCall } from '../wallet/connected-wallet.ts';
import { waitForBlock } from './page-chain.ts';

const pendingSchema = z.object({ hash: z.string().transform((text) => text as Hex), what: z.string() });

export interface Transactions {
  action: Action;
  /** `what`: "The deposit". Resolves true when it is in a block. */
  send(wallet: ConnectedWallet, call: WalletCall, what: string): Promise<boolean>;
}

/** @param name tells the transactions of one part of the screen from those of another */
export function useTransaction(name: string, onDone: () => Promise<void>): Transactions {
  const action = useAction();
  const { run } = action;
  const done = useRef(onDone);
  done.current = onDone;

  useEffect(() => {
    const pending = readKept(`transaction.${name}`, pendingSchema);
    if (pending) void run(waitingWords(pending.what), () => settle(name, pending.hash, done.current));
  }, [name, run]);

  const send = (wallet: ConnectedWallet, call: WalletCall, what: string) =>
    run('Confirm the transaction in your wallet…', async (say) => {
      const hash = await wallet.send(call);
      keep(`transaction.${name}`, { hash, what });
      say(waitingWords(what));
      await settle(name, hash, done.current);
    });
  return { action, send };
}

async function settle(name: string, hash: Hex, onDone: () => Promise<void>): Promise<void> {
  try {
    await waitForBlock(hash);
  } catch (thrown) {
    const isUnknown = thrown instanceof VesselError && thrown.code === 'chain_unavailable';
    if (!isUnknown) keep(`transaction.${name}`, null);
    throw thrown;
  }
  keep(`transaction.${name}`, null);
  await onDone();
}

function waitingWords(what: string): string {
  return `${what} is on its way to a block…`;
}
