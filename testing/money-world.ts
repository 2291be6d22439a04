/** A chain with a payer, hops and a relay's operator on it, for tests of everything between an answer and a payout. */

import { base64url } from 'multiformats/bases/base64';
import { encodeFunctionData, type PublicClient } from 'viem';
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { systemClock } from '../provider/system-clock.ts';
import { callBody } from '../relay/chain/contract-calls.ts';
import { sendAndWait } from '../relay/chain/send-and-wait.ts';
import { TransactionSender } from '../relay/chain/transaction-sender.ts';
import { openClient, ViemChain } from '../relay/chain/viem-chain.ts';
import type { Ledger } from '../relay/ledger/ledger.ts';
import type { PaymentSettings } from '../relay/payments/payment-settings.ts';
import { RelayPayments } from '../relay/payments/relay-payments.ts';
import { type DeviceKey, deviceKey, generateKeyPair } from '../sdk/net/device-key.ts';
import { aicAbi } from '../shared/chain/aic.ts';
import type { ReceiptMessage } from '../shared/protocol/payment-types.ts';
import { accountOf } from '../shared/receipts/account.ts';
import { deviceKeyPoint, signReceipt, signWithDevice } from '../shared/receipts/device-signature.ts';
import { setPayoutDigest } from '../shared/receipts/digests.ts';
import type { Address, Hex } from '../shared/receipts/hex.ts';
import { modelWord, sessionWord } from '../shared/receipts/ids.ts';
import { type ChainUnderTest, openChainUnderTest } from './chain-under-test.ts';

export const worldModel = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
export const aic = 10n ** 18n;
const pollMs = 5;
/** There is one node here: what it does not know is gone. */
const droppedMs = 20;

export interface WorldHop {
  key: DeviceKey;
  account: Address;
  payout: Address;
}

export class MoneyWorld {
  readonly network: ChainUnderTest;
  readonly client: PublicClient;
  readonly hops: WorldHop[];
  /** Held by the relay, for API keys. */
  readonly sessionKeys: Hex[];
  /** Held by an asker with the SDK. */
  readonly askerKey: Hex;
  #fresh = '0x0';
  readonly #running = new Set<() => Promise<void>>();

  private constructor(network: ChainUnderTest, hops: WorldHop[]) {
    this.network = network;
    this.client = openClient(network.relayChain.rpcUrl);
    this.hops = hops;
    this.sessionKeys = [generatePrivateKey(), generatePrivateKey()];
    this.askerKey = generatePrivateKey();
  }

  /** Two hops that have named payout addresses, one that has not; three session keys with 100 AIC each. */
  static async open(): Promise<MoneyWorld> {
    const world = new MoneyWorld(await openChainUnderTest(), await Promise.all([0, 1, 2].map(makeHop)));
    await world.#setUp();
    world.#fresh = await world.network.rpc('evm_snapshot');
    return world;
  }

  /** The chain as it was set up. */
  async restart(): Promise<void> {
    await this.network.rpc('evm_revert', [this.#fresh]);
    this.#fresh = await this.network.rpc('evm_snapshot');
    // So that no test reorganises the beginning away; the node has no states from before a snapshot it went back to.
    await this.network.rpc('anvil_mine', ['0x4']);
  }

  async close(): Promise<void> {
    // What a failed test has left running.
    for (const stop of this.#running) await stop();
    await this.network.close();
  }

  get chain() {
    return this.network.relayChain.chain;
  }
  get operator(): Address {
    return this.network.relayChain.operator;
  }
  get payer(): Address {
    return this.network.payer.address.toLowerCase() as Address;
  }

  async #setUp(): Promise<void> {
    const { addresses } = this.chain;
    const { payer } = this.network;
    const total = 300n * aic;
    const approve = encodeFunctionData({ abi: aicAbi, functionName: 'approve', args: [addresses.ledger, total] });
    await this.send(payer, addresses.aic, approve);
    await this.send(payer, addresses.ledger, callBody('ledger', 'deposit', [this.payer, total]).data);
    const expiry = (await this.chain.now()) + 7 * 86_400;
    for (const key of [...this.sessionKeys, this.askerKey])
      await this.send(
        payer,
        addresses.ledger,
        callBody('ledger', 'authorize', [privateKeyToAccount(key).address, 100n * aic, expiry]).data,
      );
    for (const hop of this.hops.slice(0, 2)) await this.setPayout(hop);
  }

  /** The hop names its payout address; somebody else pays for the transaction. */
  async setPayout({ key, account, payout }: WorldHop): Promise<void> {
    const deadline = BigInt((await this.chain.now()) + 86_400);
    const signature = await signWithDevice(setPayoutDigest(this.chain.place, { account, payout, nonce: 0n, deadline }), key);
    const point = deviceKeyPoint(base64url.baseEncode(key.publicKey))!;
    const parts = { ...point, r: signature.slice(0, 66) as Hex, s: `0x${signature.slice(66)}` as Hex };
    const { data } = callBody('accounts', 'setPayout', [account, payout, deadline, parts]);
    await this.send(this.network.dev, this.chain.addresses.accounts, data);
  }

  /** As anybody who is not the relay. */
  async send(key: PrivateKeyAccount, to: Address, data: Hex): Promise<void> {
    await sendAndWait(this.client, key, { chainId: this.chain.place.chainId, to, data }, { pollMs });
  }

  /** The relay's process, on this ledger. `client`: its own way to the node. */
  async relay(
    ledger: Ledger,
    settings: Partial<PaymentSettings> = {},
    key = this.network.relayChain.key,
    { client = this.client, confirmations = 1 }: { client?: PublicClient; confirmations?: number } = {},
  ): Promise<{ payments: RelayPayments; stop(): Promise<void> }> {
    const { operator } = this.network.relayChain;
    const { place, addresses, firstBlock } = this.chain;
    const { chainId } = place;
    const chain = new ViemChain(client, { chainId, addresses, confirmations, firstBlock });
    const sender = new TransactionSender({
      client,
      chainId,
      addresses,
      confirmations,
      ledger,
      key,
      clock: systemClock,
      pollMs,
      droppedMs,
    });
    const signers = new Map(this.sessionKeys.map((secret) => [addressOf(secret), privateKeyToAccount(secret)]));
    const payments = await RelayPayments.open({
      ledger,
      chain,
      sender,
      operator,
      publisher: key,
      findSigner: (sessionKey) => signers.get(sessionKey) ?? null,
      dearestRoute: () => [{ layers: 30, ask: { prompt: 1_000n, output: 4_000n } }],
      settings: { minPayout: 1n, minClaim: 1n, ...settings },
    });
    await sender.resume();
    const stop = async () => {
      this.#running.delete(stop);
      await Promise.race([payments.close(), new Promise((resolve) => setTimeout(resolve, 50))]);
      await Promise.race([sender.close(), new Promise((resolve) => setTimeout(resolve, 50))]);
    };
    this.#running.add(stop);
    return { payments, stop };
  }

  async receipt(hop: WorldHop, session: string, amount: bigint): Promise<ReceiptMessage> {
    return signReceipt(
      this.chain.place,
      {
        session: sessionWord(session),
        model: modelWord(worldModel),
        account: hop.account,
        fromLayer: 0,
        toLayer: 10,
        batch: 0,
        epoch: 0,
        promptPositions: 10,
        outputPositions: 10,
        amount,
        commitment: `0x${'00'.repeat(32)}`,
      },
      hop.key,
    );
  }

  async pass(seconds: number): Promise<void> {
    await this.network.rpc('evm_increaseTime', [seconds]);
    await this.network.rpc('evm_mine');
  }
}

export function addressOf(secret: Hex): Address {
  return privateKeyToAccount(secret).address.toLowerCase() as Address;
}

async function makeHop(): Promise<WorldHop> {
  const key = await deviceKey(await generateKeyPair());
  return { key, account: accountOf(key.publicKey), payout: addressOf(generatePrivateKey()) };
}
