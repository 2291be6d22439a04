/**
 * The address at which signed transfers become escrow that this relay may draw on (IComputeLedger.openGate). One for the relay's
 * whole life: opening the same again changes nothing, so a start that was interrupted is made good by the next.
 */
import { decodeFunctionResult } from 'viem';
import { z } from 'zod';
import { computeLedgerAbi } from '../../shared/chain/compute-ledger.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { account } from '../../shared/protocol/ids.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { askNode } from '../chain/chain-errors.ts';
import { callBody } from '../chain/contract-calls.ts';
import type { SessionKeys } from '../http/keys/session-keys.ts';
import { type SubmitParts, submit } from './submit.ts';

export interface Gate {
  address: Address;
  sessionKey: Address;
}

/** What was paid in can be spent here for so long; what is left after it is the payer's again. */
const validitySeconds = 30 * 24 * 3_600;
const retryMs = 10_000;
const factKey = 'gate';
const factSchema = z.strictObject({ address: account, sessionKey: account });

/** `ready` resolves when the gate is open; until then `get` gives null. */
export function openGate(parts: SubmitParts, sessionKeys: SessionKeys): { get: () => Gate | null; ready: Promise<void> } {
  let gate: Gate | null = null;
  const open = async (): Promise<void> => {
    try {
      gate = await findOrOpen(parts, sessionKeys);
    } catch {
      // The sender's own trouble line tells of a chain that is down; a relay that ends leaves no timer behind.
      await new Promise<void>((resolve) => void setTimeout(resolve, retryMs).unref());
      await open();
    }
  };
  return { get: () => gate, ready: open() };
}

async function findOrOpen(parts: SubmitParts, sessionKeys: SessionKeys): Promise<Gate> {
  const { ledger, chain, client, sender } = parts;
  const known = await ledger.read(factKey);
  const fact = known === null ? null : (factSchema.parse(JSON.parse(known)) as Gate);
  const isOurs = fact !== null && sessionKeys.signer(fact.sessionKey) !== null;
  const sessionKey = isOurs ? fact.sessionKey : await sessionKeys.create();
  const body = callBody('ledger', 'openGate', [sessionKey, validitySeconds]);
  // The contract derives the address; calling it without sending tells it before the gate is there, and after.
  const { data } = await askNode(() => client.call({ account: sender.address, to: chain.addresses.ledger, data: body.data }));
  if (!data) throw new VesselError('chain_unavailable');
  const address = decodeFunctionResult({ abi: computeLedgerAbi, functionName: 'openGate', data }).toLowerCase() as Address;
  const gate = { address, sessionKey };
  await ledger.write(factKey, JSON.stringify(gate));
  await submit(parts, {
    id: `gate:${chain.addresses.ledger}:${address}`,
    kind: 'authorize',
    body,
    refuse: (reason) => new VesselError('chain_unavailable', `The gate could not be opened: ${reason}.`),
  });
  return gate;
}
