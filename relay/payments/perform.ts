import { VesselError } from '../../shared/protocol/errors.ts';
import type { CallBody } from '../chain/contract-calls.ts';
import type { ChainSender } from '../chain/sender.ts';
import type { Intent, Ledger } from '../ledger/ledger.ts';

export interface Step {
  id: string;
  kind: Intent['kind'];
  /** True when the chain is already as this step wants it. */
  isDone: () => Promise<boolean>;
  body: () => Promise<CallBody>;
}

/**
 * Brings one step onto the chain exactly once, however often it is called, also by another process after a crash. A try that reverted is
 * followed by a new one at the next call. Throws `chain_unavailable` with the contract's reason when this call's try reverts.
 */
export async function perform(ledger: Ledger, sender: ChainSender, step: Step, signal?: AbortSignal): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const id = `${step.id}:${attempt}`;
    const known = await ledger.intent(id);
    if (known?.state === 'confirmed') return;
    if (known?.state === 'failed') continue;
    if (!known) {
      if (await step.isDone()) return;
      await sender.send({ id, kind: step.kind, body: await step.body() });
    }
    const { state, error } = await sender.settled(id, signal);
    if (state === 'confirmed' || (await step.isDone())) return;
    throw new VesselError('chain_unavailable', `${step.id} was refused by the chain: ${error ?? 'no reason given'}.`);
  }
}
