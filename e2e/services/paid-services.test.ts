/**
 * Services that are paid for, with nothing replaced but the browser: wallets, a real EVM, a relay, two Node providers, real graphs. By an API
 * key, by the SDK's vouchers and by x402; then an epoch closes, everyone claims, and every wei is looked for.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ExactEvmScheme } from '@x402/evm';
import { wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { base64url } from 'multiformats/bases/base64';
import { concatHex, encodeFunctionData } from 'viem';
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { sendAndWait } from '../../relay/chain/send-and-wait.ts';
import { openClient } from '../../relay/chain/viem-chain.ts';
import { listDefaultModels } from '../../relay/cli/list-default-models.ts';
import { newSessionKey } from '../../sdk/paying/session-key.ts';
import { connect } from '../../sdk/vessel.ts';
import { aicAbi } from '../../shared/chain/aic.ts';
import { computeLedgerAbi } from '../../shared/chain/compute-ledger.ts';
import { payrollAbi } from '../../shared/chain/payroll.ts';
import { accountOf } from '../../shared/receipts/account.ts';
import { deviceKeyPoint, signWithDevice } from '../../shared/receipts/device-signature.ts';
import { setPayoutDigest } from '../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { parsePayroll } from '../../shared/receipts/payroll-file.ts';
import { type ChainUnderTest, openChainUnderTest, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { endWebRtc } from '../../testing/end-webrtc.ts';
import { fixtureBytes } from '../../testing/fixture-file.ts';
import { ServiceNetwork, serviceNames, until } from './service-network.ts';

const aic = 10n ** 18n;
const pixels = fixtureBytes('mnist/images-200x28x28.u8');
const labels = fixtureBytes('mnist/labels-200.u8');
const speech = fixtureBytes('silero/speech-8s-16khz.s16le');
const digit = (index: number) => pixels.slice(index * 784, (index + 1) * 784);
const picture = { format: 'gray8', width: 28, height: 28 };
const sum = (amounts: Iterable<bigint>) => [...amounts].reduce((total, amount) => total + amount, 0n);
const lower = (wallet: { address: string }) => wallet.address.toLowerCase() as Address;

describe('paid services', { skip: skipWithoutAnvil }, () => {
  let chain: ChainUnderTest;
  let network: ServiceNetwork;
  let networkAccount: Address;
  let owner: Address;
  /** What each account has to get in the end, as the prices say. */
  const due = new Map<Address, bigint>();
  /** Paid from each payer. */
  const spent = new Map<Address, bigint>();

  before(async () => {
    chain = await openChainUnderTest();
    network = await ServiceNetwork.start({
      withLanguage: false,
      chain: chain.relayChain,
      housePayer: chain.payer,
      payments: { epochMs: 1e9, tickMs: 1e9, minPayout: 1n, minClaim: 1n },
    });
    assert.equal(await listDefaultModels(chain, network.models), 4);
    await network.addProvider();
    await network.addProvider();
    await until(() => serviceNames.every((name) => network.holders(name).length === 2));
    networkAccount = await chain.relayChain.chain.network();
    owner = lower(chain.owner);
  });
  after(async () => {
    await network?.close();
    await chain?.close();
    endWebRtc();
  });

  const addresses = () => chain.relayChain.chain.addresses;
  const accountAt = (peer: string) => accountOf(network.keys.get(peer)!.publicKey);
  const balance = (of: Address) => chain.relayChain.chain.aicOf(of);

  async function wallet(): Promise<PrivateKeyAccount> {
    const made = privateKeyToAccount(generatePrivateKey());
    await chain.relayChain.faucet!.give(lower(made));
    return made;
  }

  async function send(from: PrivateKeyAccount, to: Address, data: Hex) {
    const chainId = chain.relayChain.chain.place.chainId;
    return sendAndWait(openClient(chain.relayChain.rpcUrl), from, { chainId, to, data }, { pollMs: 20 });
  }

  /** The provider gets positions × ask, the owner 10 % and the network 5 % of it. */
  function expect(payer: Address, provider: string, positions: number): bigint {
    const compute = BigInt(positions) * network.relay.payments!.terms.ask.prompt;
    const parts = [
      [accountAt(provider), compute],
      [owner, compute / 10n],
      [networkAccount, compute / 20n],
    ] as const;
    for (const [account, amount] of parts) due.set(account, (due.get(account) ?? 0n) + amount);
    const total = sum(parts.map(([, amount]) => amount));
    spent.set(payer, (spent.get(payer) ?? 0n) + total);
    return total;
  }

  test('what a service costs and whose it is can be read before anything is asked', async () => {
    const { data } = await (await fetch(`${network.relay.url}/v1/services`)).json();
    const { ask } = network.relay.payments!.terms;
    const [digits, voice] = ['digits', 'voice'].map((name) => data.find(({ id }: { id: string }) => id === name).vessel);
    assert.deepEqual(
      [BigInt(digits.price), BigInt(voice.price)],
      [(ask.prompt * 100n * 115n) / 100n, (ask.prompt * 115n) / 100n],
    );
    const { asset, ...rest } = digits.listing;
    assert.match(asset, /^[12]$/);
    const price_floor = (100_000n * ask.prompt).toString();
    assert.deepEqual(rest, { owner, royalty: 1000, network_fee: 500, price_floor, version: 1, active: true });
  });

  test('entering the same models again sends nothing', async () => {
    const count = await chain.relayChain.chain.assetCount();
    assert.equal(await listDefaultModels(chain, network.models), 0);
    assert.equal(await chain.relayChain.chain.assetCount(), count);
  });

  test('an API key pays by the picture, and by the millisecond of audio that was heard', async () => {
    const { secret } = await network.relay.keys.create({ name: 'mine' });
    const authorization = { authorization: `Bearer ${secret}` };
    const orders = Array.from({ length: 5 }, (_, index) => ({
      order: picture,
      input: Buffer.from(digit(index)).toString('base64'),
    }));
    const seen = await (await network.post('/v1/services/digits', { orders }, authorization)).json();
    assert.deepEqual(
      seen.results.map(({ result }: { result: { labels: { index: number }[] } }) => result.labels[0]!.index),
      [...labels.slice(0, 5)],
    );
    assert.match(seen.receipt, /^0x[0-9a-f]{64}$/);
    assert.equal(seen.price, expect(lower(chain.payer), seen.provider, 500).toString());

    const heard = await (
      await network.post(
        '/v1/services/voice',
        { order: { format: 's16le' }, input: Buffer.from(speech).toString('base64') },
        authorization,
      )
    ).json();
    assert.deepEqual(heard.meter, { unit: 'audio-ms', amount: 8000 });
    assert.equal(heard.price, expect(lower(chain.payer), heard.provider, 8000).toString());
    const entry = await network.relay.checkBooks!();
    assert.deepEqual([entry.faults, entry.difference], [[], 0n]);
  });

  test('what was computed before an order failed is charged, and no more', async () => {
    const { secret } = await network.relay.keys.create({ name: 'unlucky' });
    const before = await Promise.all(network.providers.map(({ peer }) => earnedBy(peer)));
    const input = Buffer.from(digit(0)).toString('base64');
    const orders = [
      { order: picture, input },
      { order: { ...picture, width: 29 }, input },
    ];
    const response = await network.post('/v1/services/digits', { orders }, { authorization: `Bearer ${secret}` });
    assert.equal(response.status, 400);
    const after = await Promise.all(network.providers.map(({ peer }) => earnedBy(peer)));
    const index = after.findIndex((amount, at) => amount !== before[at]);
    expect(lower(chain.payer), network.providers[index]!.peer, 100);
    assert.equal(after[index]! - before[index]!, 100n * network.relay.payments!.terms.ask.prompt);
  });

  test('without a key: 402 with the price of these orders, and a stock x402 client pays it', async () => {
    const body = JSON.stringify({ order: picture, input: Buffer.from(digit(7)).toString('base64') });
    const url = `${network.relay.url}/v1/services/digits`;
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    await until(async () => (await fetch(url, init)).headers.has('payment-required'));
    const refused = await fetch(url, init);
    assert.equal(refused.status, 402);
    const { error, accepts } = await refused.json();
    assert.equal(error.code, 'payment_required');
    const payer = await wallet();
    const net = `eip155:${chain.relayChain.chain.place.chainId}` as const;
    const paying = wrapFetchWithPaymentFromConfig(fetch, {
      schemes: [{ network: net, client: new ExactEvmScheme(payer) }],
      spendControls: { allowedAssets: [{ network: net, asset: addresses().aic, maxAmountPerPayment: aic.toString() }] },
    });
    const response = await paying(url, init);
    assert.equal(response.status, 200, await response.clone().text());
    const { price, provider, result } = await response.json();
    assert.equal(result.labels[0].index, labels[7]);
    assert.equal(price, expect(lower(payer), provider, 100).toString());
    assert.equal(accepts[0].amount, price, 'a picture costs what was quoted');
  });

  test('the SDK pays a stream of audio with vouchers, piece by piece, without the relay', async () => {
    const payer = await wallet();
    const { aic: token, ledger } = addresses();
    const deposit = [ledger, 10n * aic, concatHex([lower(payer)])] as const;
    await send(payer, token, encodeFunctionData({ abi: aicAbi, functionName: 'transferAndCall', args: deposit }));
    const session = newSessionKey();
    const args = [session.address, 5n * aic, Math.floor(Date.now() / 1000) + 86_400] as const;
    await send(payer, ledger, encodeFunctionData({ abi: computeLedgerAbi, functionName: 'authorize', args }));
    const free = await connect({ relay: network.relay.url });
    await assert.rejects(free.service('voice'), { code: 'payment_required', message: /for 1,000 audio-ms/ });
    await free.close();
    const vessel = await connect({
      relay: network.relay.url,
      payer: { sessionKey: session.privateKey, payer: payer.address, cap: 5n * aic },
    });
    try {
      const voice = await vessel.service('voice');
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < speech.length; at += 20_002) pieces.push(speech.subarray(at, at + 20_002));
      const answers = await Promise.all(pieces.map((piece) => voice.run({ format: 's16le' }, piece)));
      assert.equal(
        answers.reduce((amount, { meter }) => amount + meter.amount, 0),
        8000,
      );
      const { provider } = voice;
      const paid = await voice.close();
      assert.equal(paid!.price.total, expect(lower(payer), provider, 8000));
      assert.match(paid!.receipt, /^0x[0-9a-f]{64}$/);
      // The provider hands its voucher in, and the relay claims it for everyone: for what was used, and not for what was promised.
      const channel = () => chain.relayChain.chain.channelOf(lower(payer), session.address, accountAt(provider));
      await until(async () => {
        await network.relay.payments!.advance();
        return (await channel()).claimed > 0n;
      });
      assert.equal((await channel()).claimed, paid!.price.hops[0]);
    } finally {
      await vessel.close();
    }
  });

  test('an epoch closes, everyone claims; every wei is where it belongs and the books agree', async () => {
    const { payments } = network.relay;
    const providers = network.providers.map(({ peer }) => peer);
    const payouts = new Map<Address, Address>();
    for (const peer of providers) payouts.set(accountAt(peer), await bindPayout(peer));
    const accounts = [...providers.map(accountAt), owner, networkAccount];
    const before = await Promise.all([owner, networkAccount].map(balance));
    await payments!.closeEpoch();
    await until(async () => {
      await chain.rpc('evm_increaseTime', [30]);
      await chain.rpc('evm_mine');
      const { state } = await payments!.advance();
      return state === 'open' && (await chain.relayChain.chain.currentOf(payments!.terms.operator)).epoch === 1;
    });
    await payments!.tick();
    const file = parsePayroll(await (await fetch(`${network.relay.url}/v1/payroll/epochs/1`)).text());
    // The relay chose who works: one of the two may have had all of it.
    const inRoot = accounts.filter((account) => file.tree.leaves.some((leaf) => leaf.account === account));
    for (const account of inRoot) {
      const { leaf, proof } = file.tree.proofOf(account);
      if ((await chain.relayChain.chain.paidOf(file.operator, account)).paid === leaf.cumulative) continue;
      const data = encodeFunctionData({ abi: payrollAbi, functionName: 'claim', args: [file.operator, leaf, proof] });
      await as(account, addresses().payroll, data);
    }
    const { events } = await chain.relayChain.chain.events(chain.relayChain.chain.firstBlock);
    const channels = events.flatMap((event) =>
      event.contract === 'ledger' && event.name === 'Claimed' && event.args.payer !== payments!.terms.operator
        ? [{ payer: event.args.payer, sessionKey: event.args.sessionKey }]
        : [],
    );
    for (const account of accounts) {
      for (const channel of channels) {
        const { claimed, paidOut } = await chain.relayChain.chain.channelOf(channel.payer, channel.sessionKey, account);
        if (claimed === paidOut) continue;
        const data = encodeFunctionData({ abi: computeLedgerAbi, functionName: 'payOut', args: [account, [channel]] });
        await as(account, addresses().ledger, data);
      }
    }
    const report = await network.relay.checkBooks!();
    assert.deepEqual([report.faults, report.difference], [[], 0n]);
    assert.ok(report.counts.answers >= 4);
    const [ownerNow, networkNow] = await Promise.all([owner, networkAccount].map(balance));
    const received = [
      ...(await Promise.all(providers.map((peer) => balance(payouts.get(accountAt(peer))!)))),
      ownerNow! - before[0]!,
      networkNow! - before[1]!,
    ];
    // A credit that was signed for the most an order can be is paid in full at the end of the epoch: what its audio did not come to the
    // operator bears, and says so in its books. Beyond it everyone has what the receipts say, to the wei.
    const beyond = accounts.map((account, index) => received[index]! - (due.get(account) ?? 0n));
    const chunk = 64n * payments!.terms.ask.prompt;
    for (const [index, rest] of beyond.entries())
      assert.ok(rest >= 0n && rest <= chunk, `${accounts[index]}: ${rest} wei too much`);
    assert.equal(sum(beyond), report.float);
    assert.equal(sum(due.values()), sum(spent.values()), 'what payers spent is what was earned');
    for (const [payer, cost] of spent) assert.equal(await drawn(payer), cost, `escrow of ${payer}`);
  });

  /** Wei that were taken from a payer's escrow, by anyone. */
  async function drawn(payer: Address): Promise<bigint> {
    const { events } = await chain.relayChain.chain.events(chain.relayChain.chain.firstBlock);
    return sum(
      events.flatMap((event) =>
        event.contract === 'ledger' && event.name === 'Claimed' && event.args.payer.toLowerCase() === payer
          ? [event.args.amount]
          : [],
      ),
    );
  }

  async function earnings(peer: string): Promise<{ earned: string; nonce: string }> {
    return (await fetch(`${network.relay.url}/v1/accounts/${accountAt(peer)}/earnings`)).json() as never;
  }
  const earnedBy = async (peer: string) => BigInt((await earnings(peer)).earned);

  /** Signed by the provider's own key, brought to the chain by the relay. */
  async function bindPayout(peer: string): Promise<Address> {
    const key = network.keys.get(peer)!;
    const account = accountAt(peer);
    const payout = lower(privateKeyToAccount(generatePrivateKey()));
    const deadline = BigInt(Math.floor(Date.now() / 1000) + 3600);
    const { nonce } = await earnings(peer);
    const digest = setPayoutDigest(chain.relayChain.chain.place, { account, payout, nonce: BigInt(nonce), deadline });
    const raw = await signWithDevice(digest, key);
    const signature = { ...deviceKeyPoint(base64url.baseEncode(key.publicKey))!, r: raw.slice(0, 66), s: `0x${raw.slice(66)}` };
    const order = { kind: 'set-payout', account, payout, deadline: `${deadline}`, by: 'device', signature };
    const response = await network.post('/v1/accounts/payout', order);
    assert.equal(response.status, 200, await response.clone().text());
    return payout;
  }

  /** The test chain lets us speak for accounts whose keys nobody here holds; a payout address is where it goes either way. */
  async function as(account: Address, to: Address, data: Hex): Promise<void> {
    const from = account === owner || account === networkAccount ? account : lower(chain.dev);
    await chain.rpc('anvil_impersonateAccount', [from]);
    await chain.rpc('anvil_setBalance', [from, '0xde0b6b3a7640000']);
    const hash = await chain.rpc<Hex>('eth_sendTransaction', [{ from, to, data }]);
    await until(async () => (await chain.rpc('eth_getTransactionReceipt', [hash])) !== null);
    await chain.rpc('anvil_stopImpersonatingAccount', [from]);
  }
});
