/**
 * `@vessel/sdk`: ask a model that lives in browser tabs, from a browser or from Node. Tokens come straight from the tabs; the relay
 * matches the session and sees nothing of it afterwards.
 *
 *     import { connect } from '@vessel/sdk';
 *
 *     const vessel = await connect({ relay: 'http://localhost:8787' });
 *     for await (const part of vessel.ask({ model: 'vessel-tiny', messages: [{ role: 'user', content: 'What is WebGPU?' }] })) {
 *       if (part.type === 'text') process.stdout.write(part.text);
 *     }
 *     await vessel.close();
 *
 * In a network that is paid for, a wallet authorizes a session key once (`newSessionKey`, `authorizationToSign`), and `connect` is
 * given it as `payer`.
 */

import type { AskEvent, AskIds } from '../shared/protocol/asking.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import type { NetworkTerms } from '../shared/protocol/payment-types.ts';
import type { AskPayer } from '../shared/receipts/ask-payer.ts';
import { createAskIds } from './ask-ids.ts';
import { type AnswerEvent, type AskRequest, askText } from './ask-text.ts';
import { ModelSource } from './model-source.ts';
import { type DeviceKey, deviceKey, generateKeyPair } from './net/device-key.ts';
import { NetworkClient } from './net/network-client.ts';
import { OrderPool } from './order-pool.ts';
import { VoucherPayer, type VoucherPayerOptions } from './paying/voucher-payer.ts';
import { ServiceSession } from './service-session.ts';
import { systemClock } from './system-clock.ts';

export interface ConnectOptions {
  /** http(s) address of a relay. */
  relay: string;
  /** Who you are to the relay. Default: a new key for this connection. */
  key?: DeviceKey;
  /** Pays for answers: a session key that its payer has authorized on chain. */
  payer?: Omit<VoucherPayerOptions, 'place'>;
  /** No provider learns your address: connections go over TURN, or through the relay where it has none. The relay itself sees it. */
  hideAddress?: boolean;
  /** Milliseconds to wait for the relay. Default 20,000. */
  timeoutMs?: number;
}

export class Vessel {
  readonly #client: NetworkClient;
  readonly #pool: OrderPool;
  readonly #models: ModelSource;
  readonly #payer: AskPayer | null;
  readonly #askIds: (request: AskIds) => AsyncIterable<AskEvent>;

  /** @internal Call `connect`. */
  constructor(client: NetworkClient, relay: string, payer: AskPayer | null) {
    this.#client = client;
    this.#payer = payer;
    this.#pool = new OrderPool(client);
    this.#models = new ModelSource(relay);
    const askIds = createAskIds(client, this.#pool);
    this.#askIds = (request) => askIds({ ...(this.#payer ? { payer: this.#payer } : {}), ...request });
  }

  /** Streams an answer. Ends with `done` or throws a VesselError; leaving the loop or aborting the signal frees every hop. */
  ask(request: AskRequest): AsyncGenerator<AnswerEvent> {
    return askText(this.#models, this.#askIds, request);
  }

  /** The same in token ids, for those who bring their own tokenizer. */
  askIds(request: AskIds): AsyncIterable<AskEvent> {
    return this.#askIds(request);
  }

  /**
   * Opens a session with a whole-graph service (image classification, voice activity, …). Close it when done. `maxPrice`: wei that
   * the session may cost.
   */
  service(model: string, options: { signal?: AbortSignal; maxPrice?: bigint } = {}): Promise<ServiceSession> {
    const metered = (id: string) => this.#models.metered(id);
    return ServiceSession.open(this.#client, this.#pool, { ...options, model, payer: this.#payer, metered });
  }

  /** Contracts and prices of this network; null where everything is free. */
  get terms(): NetworkTerms | null {
    return this.#client.terms;
  }

  /** Leaves the relay for good; running answers go on over their own links. */
  leaveRelay(): Promise<void> {
    return this.#client.leaveRelay();
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await this.#client.stop();
  }
}

/** Rejects with `relay_lost` when no relay answers, `version_mismatch` when it speaks another protocol. */
export async function connect(options: ConnectOptions): Promise<Vessel> {
  const client = await NetworkClient.connect(
    {
      relayUrl: options.relay,
      key: options.key ?? (await deviceKey(await generateKeyPair())),
      clock: systemClock,
      hideAddress: options.hideAddress ?? false,
    },
    options.timeoutMs,
  );
  if (!options.payer) return new Vessel(client, options.relay, null);
  if (!client.terms) {
    await client.stop();
    throw new VesselError('bad_request', 'This network has no chain: everything is free, leave the payer out.');
  }
  return new Vessel(client, options.relay, new VoucherPayer({ ...options.payer, place: client.terms }));
}

/**
 * One question over a connection of its own. For more than one, `connect` once.
 *
 *     for await (const part of ask({ relay, model: 'vessel-tiny', prompt: 'Once upon a time' })) …
 */
export async function* ask({ relay, ...request }: AskRequest & { relay: string }): AsyncGenerator<AnswerEvent> {
  const vessel = await connect({ relay });
  try {
    yield* vessel.ask(request);
  } finally {
    await vessel.close();
  }
}
