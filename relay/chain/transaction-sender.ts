/** `ChainSender` with a key of this process. The Ledger is written before every broadcast; what is written is found by the next start. */
import { BaseError, keccak256, type PublicClient, type TransactionReceipt } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import type { Clock } from '../../shared/protocol/clock.ts';
import { toVesselError, VesselError } from '../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { Intent, Ledger } from '../ledger/ledger.ts';
import type { ChainAddresses } from './chain.ts';
import { askNode, chainUnavailable, ifUnknown, revertData } from './chain-errors.ts';
import { describeRevert, parseCallBody } from './contract-calls.ts';
import type { ChainSender } from './sender.ts';

export interface TransactionSenderParts {
  client: PublicClient;
  chainId: number;
  addresses: ChainAddresses;
  confirmations: number;
  ledger: Pick<Ledger, 'plan' | 'update' | 'intent' | 'openIntents'>;
  key: PrivateKeyAccount;
  clock: Clock;
  /** How often open intents are looked at. */
  pollMs?: number;
  /** After this long in the node's pool a transaction is sent again with a higher fee. */
  stuckMs?: number;
  /** After this long out of the node's sight a transaction counts as dropped: a node behind a load balancer may just be late. */
  droppedMs?: number;
  /** Called for what went wrong in the background; the work goes on. */
  onTrouble?: (error: VesselError) => void;
}

/** What became of an intent's transaction at one look. */
type Look = 'waiting' | 'mined' | 'settled';

/** Nodes take a replacement that pays at least 10 % more than what it replaces. */
const raisePerTry = 1.125;
/** At most about ten times the going fee. */
const maxRaises = 20;
/** Gas is estimated on a state that may change before the transaction is mined. */
const gasMargin = 1.25;
/** For a replacement whose estimate reverts (perhaps because the first one went through): it must be able to take the nonce anyway. */
const fallbackGas = 2_000_000n;

export class TransactionSender implements ChainSender {
  readonly address: Address;
  readonly #parts: Required<Omit<TransactionSenderParts, 'onTrouble'>> & Pick<TransactionSenderParts, 'onTrouble'>;
  readonly #waiters = new Map<string, Set<(intent: Intent) => void>>();
  /** When this process last sent it, or first saw it. */
  readonly #sentMs = new Map<string, number>();
  /** Since when the chain says that another transaction took the nonce. */
  readonly #takenMs = new Map<string, number>();
  #running: Promise<void> = Promise.resolve();
  #cancelTimer: (() => void) | null = null;
  #isClosed = false;
  #isResumed = false;

  constructor(parts: TransactionSenderParts) {
    this.#parts = { pollMs: 1_000, stuckMs: 60_000, droppedMs: 10_000, ...parts };
    this.address = parts.key.address.toLowerCase() as Address;
  }

  async send(intent: Pick<Intent, 'id' | 'kind' | 'body'>): Promise<Intent> {
    parseCallBody(intent.body);
    const planned = await this.#parts.ledger.plan(intent);
    if (this.#isResumed) this.#schedule(0);
    return planned;
  }

  async settled(id: string, signal?: AbortSignal): Promise<Intent> {
    signal?.throwIfAborted();
    const waiting = Promise.withResolvers<Intent>();
    const onAbort = () => waiting.reject(signal!.reason);
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiting.resolve));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const known = await this.#parts.ledger.intent(id);
      if (!known) throw new VesselError('not_found', `No transaction "${id}" was planned.`);
      return known.state === 'confirmed' || known.state === 'failed' ? known : await waiting.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      waiters.delete(waiting.resolve);
      if (waiters.size === 0) this.#waiters.delete(id);
    }
  }

  async resume(): Promise<void> {
    this.#isResumed = true;
    this.#schedule(0);
  }

  step(): Promise<void> {
    const step = this.#running.then(() => this.#stepNow());
    this.#running = step.catch(() => undefined);
    return step;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    await this.#running;
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#parts.clock.after(ms, () => {
      this.#cancelTimer = null;
      void this.step()
        .catch((error) => this.#parts.onTrouble?.(toVesselError(error)))
        .finally(() => this.#cancelTimer === null && this.#schedule(this.#parts.pollMs));
    });
  }

  /** Goes on for as long as something moves. One transaction at most is under way without being in a block: later ones may rest on it. */
  async #stepNow(): Promise<void> {
    for (;;) {
      const open = await this.#parts.ledger.openIntents();
      const sent = open.filter(({ state }) => state === 'sent').sort((a, b) => a.nonce! - b.nonce!);
      const looks: Look[] = [];
      for (const intent of sent) looks.push(await this.#look(intent));
      const next = open.find(({ state }) => state === 'planned');
      if (next === undefined || looks.includes('waiting') || this.#isClosed) return;
      await this.#start(next, sent);
    }
  }

  async #start(intent: Intent, sent: readonly Intent[]): Promise<void> {
    const { client, ledger, key } = this.#parts;
    const call = this.#callOf(intent);
    let gas: bigint;
    try {
      await askNode(() => client.call({ ...call, blockTag: 'latest' }));
      gas = await askNode(() => client.estimateGas({ ...call, blockTag: 'latest' }));
    } catch (error) {
      const data = revertData(error);
      if (data === null) throw error;
      return this.#settle(intent, { state: 'failed', error: describeRevert(data) });
    }
    const count = await askNode(() => client.getTransactionCount({ address: key.address, blockTag: 'latest' }));
    const nonce = sent.reduce((above, other) => Math.max(above, other.nonce! + 1), count);
    await this.#broadcast(intent, nonce, BigInt(Math.ceil(Number(gas) * gasMargin)));
    await ledger.update(intent.id, { error: null });
  }

  /** Signs, writes nonce and hash down, and only then lets it out. */
  async #broadcast(intent: Intent, nonce: number, gas: bigint): Promise<void> {
    const { client, ledger, key, chainId, clock } = this.#parts;
    const { to, data } = this.#callOf(intent);
    const fees = await askNode(() => client.estimateFeesPerGas());
    const factor = raisePerTry ** Math.min(intent.hashes.length, maxRaises);
    const raise = (fee: bigint) => (fee * BigInt(Math.ceil(factor * 1_000))) / 1_000n + 1n;
    const serialized = await key.signTransaction({
      type: 'eip1559',
      chainId,
      to,
      data,
      nonce,
      gas,
      maxFeePerGas: raise(fees.maxFeePerGas),
      maxPriorityFeePerGas: raise(fees.maxPriorityFeePerGas),
    });
    const hash = keccak256(serialized);
    await ledger.update(intent.id, { state: 'sent', nonce, hashes: [...intent.hashes, hash] });
    this.#sentMs.set(intent.id, clock.now());
    try {
      await client.sendRawTransaction({ serializedTransaction: serialized });
    } catch (cause) {
      // Known already, nonce taken, or too cheap a replacement: the next look finds out. Anything else is told, and tried again.
      if (isAboutNonce(cause)) return;
      const error = chainUnavailable(cause);
      await ledger.update(intent.id, { error: error.message });
      throw error;
    }
  }

  async #look(intent: Intent): Promise<Look> {
    const { client, ledger, key, confirmations, clock, stuckMs, droppedMs } = this.#parts;
    // The height first: a receipt that is newer just waits for the next look.
    const head = await askNode(() => client.getBlockNumber({ cacheTime: 0 }));
    const receipt = await this.#receiptOf(intent);
    if (receipt) {
      this.#takenMs.delete(intent.id);
      if (head - receipt.blockNumber + 1n < BigInt(confirmations)) return 'mined';
      if (receipt.status === 'success') await this.#settle(intent, { state: 'confirmed', error: null });
      else await this.#settle(intent, { state: 'failed', error: await this.#reasonOf(intent, receipt) });
      return 'settled';
    }
    if (await this.#isNonceTaken(intent, head)) {
      // None of its transactions can be mined any more: it may have a new nonce. Seen twice with time between, lest the node that
      // knows the receipt is just behind the one that counted.
      const since = this.#takenMs.get(intent.id) ?? clock.now();
      this.#takenMs.set(intent.id, since);
      if (clock.now() - since < droppedMs || (await this.#receiptOf(intent)) !== null) return 'waiting';
      this.#takenMs.delete(intent.id);
      await ledger.update(intent.id, {
        state: 'planned',
        nonce: null,
        error: `another transaction of ${key.address} took its nonce`,
      });
      return 'settled';
    }
    this.#takenMs.delete(intent.id);
    const isPending = await this.#isInPool(intent);
    const sinceMs = this.#sentMs.get(intent.id);
    // After a restart what the pool does not have is sent at once: it may never have left.
    if (sinceMs === undefined) this.#sentMs.set(intent.id, clock.now());
    const patience = isPending ? stuckMs : droppedMs;
    if (sinceMs === undefined ? isPending : clock.now() - sinceMs < patience) return 'waiting';
    await this.#broadcast(intent, intent.nonce!, await this.#gasOf(intent));
    return 'waiting';
  }

  async #receiptOf({ hashes }: Intent): Promise<TransactionReceipt | null> {
    for (const hash of hashes.toReversed()) {
      const receipt = await askNode(() => this.#parts.client.getTransactionReceipt({ hash }).catch(ifUnknown));
      if (receipt) return receipt;
    }
    return null;
  }

  async #isInPool({ hashes }: Intent): Promise<boolean> {
    for (const hash of hashes.toReversed()) {
      if (await askNode(() => this.#parts.client.getTransaction({ hash }).catch(ifUnknown))) return true;
    }
    return false;
  }

  /** True when a block with enough confirmations holds a transaction of this key with this nonce. */
  async #isNonceTaken({ nonce }: Intent, head: bigint): Promise<boolean> {
    const { client, key, confirmations } = this.#parts;
    const blockNumber = head - BigInt(confirmations - 1);
    if (blockNumber < 0n) return false;
    const count = await askNode(() => client.getTransactionCount({ address: key.address, blockNumber }));
    return count > nonce!;
  }

  async #gasOf(intent: Intent): Promise<bigint> {
    try {
      // On the newest block's state, not the pool's: there the first try may have gone through already, which makes it cheaper.
      const gas = await askNode(() => this.#parts.client.estimateGas({ ...this.#callOf(intent), blockTag: 'latest' }));
      return BigInt(Math.ceil(Number(gas) * gasMargin));
    } catch (error) {
      if (revertData(error) === null) throw error;
      return fallbackGas;
    }
  }

  /** Receipts do not say why: the call is repeated on the state before. */
  async #reasonOf(intent: Intent, { blockNumber }: TransactionReceipt): Promise<string> {
    for (const block of [blockNumber - 1n, blockNumber]) {
      try {
        await this.#parts.client.call({ ...this.#callOf(intent), blockNumber: block });
      } catch (error) {
        const data = revertData(error);
        if (data !== null) return describeRevert(data);
      }
    }
    return 'reverted on chain, and does not when tried again: perhaps it ran out of gas';
  }

  #callOf({ body }: Intent): { account: Address; to: Address; data: Hex } {
    const { contract, data } = parseCallBody(body);
    return { account: this.#parts.key.address, to: this.#parts.addresses[contract], data };
  }

  async #settle(intent: Intent, change: Pick<Intent, 'state' | 'error'>): Promise<void> {
    await this.#parts.ledger.update(intent.id, change);
    this.#sentMs.delete(intent.id);
    for (const resolve of this.#waiters.get(intent.id) ?? []) resolve({ ...intent, ...change });
  }
}

function isAboutNonce(error: unknown): boolean {
  if (!(error instanceof BaseError)) return false;
  return /nonce too low|already known|already imported|underpriced/i.test(`${error.message} ${error.details}`);
}
