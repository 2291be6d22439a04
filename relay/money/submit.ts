/** One call of a contract at the relay's cost, tried without cost first: what would revert is refused and never sent. */
import type { PublicClient } from 'viem';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Hex } from '../../shared/receipts/hex.ts';
import type { Chain } from '../chain/chain.ts';
import { askNode, revertData } from '../chain/chain-errors.ts';
import { type CallBody, describeRevert } from '../chain/contract-calls.ts';
import type { ChainSender } from '../chain/sender.ts';
import type { Intent, Ledger } from '../ledger/ledger.ts';

export interface SubmitParts {
  client: PublicClient;
  chain: Chain;
  sender: ChainSender;
  ledger: Ledger;
}

export interface Submission {
  /** The same id is sent once; after a try that failed, again. */
  id: string;
  kind: Intent['kind'];
  body: CallBody;
  /** What to throw with the contract's reason. */
  refuse: (reason: string) => VesselError;
}

/** How long a caller waits for a block. What is sent stays sent: asking again finds it. */
const waitMs = 120_000;

/** Resolves with the transaction that was confirmed. Throws what `refuse` makes, or `chain_unavailable`. */
export async function submit(parts: SubmitParts, { id, kind, body, refuse }: Submission): Promise<Hex> {
  const { ledger, sender } = parts;
  for (let attempt = 0; ; attempt++) {
    const attemptId = `${id}:${attempt}`;
    const known = await ledger.intent(attemptId);
    if (known?.state === 'failed') continue;
    if (!known) {
      await tryCall(parts, body, refuse);
      await sender.send({ id: attemptId, kind, body });
    }
    const { state, error, hashes } = await settled(sender, attemptId);
    if (state !== 'confirmed') throw refuse(error ?? 'no reason given');
    return hashes.at(-1)!;
  }
}

async function tryCall({ client, chain, sender }: SubmitParts, body: CallBody, refuse: Submission['refuse']): Promise<void> {
  try {
    await askNode(() => client.call({ account: sender.address, to: chain.addresses[body.contract], data: body.data }));
  } catch (thrown) {
    const data = revertData(thrown);
    throw data === null ? thrown : refuse(describeRevert(data));
  }
}

async function settled(sender: ChainSender, id: string): Promise<Intent> {
  const signal = AbortSignal.timeout(waitMs);
  try {
    return await sender.settled(id, signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new VesselError('chain_unavailable', 'The chain has not taken the transaction yet. Nothing is lost; try again.', {
      cause,
    });
  }
}
