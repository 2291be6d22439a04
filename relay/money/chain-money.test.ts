/** The paid HTTP API on a real EVM: sign-in to answer, x402 with the stock client, a device's payout, and the node behind /v1/chain. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ServerType, serve } from '@hono/node-server';
import { ExactEvmScheme } from '@x402/evm';
import { decodePaymentResponseHeader, wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import { createPublicClient, encodeFunctionData, erc20Abi, hashTypedData, hexToBytes, http } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { createSiweMessage } from 'viem/siwe';
import { accountOf, deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import { aicAbi } from '../../shared/chain/aic.ts';
import { computeLedgerAbi } from '../../shared/chain/compute-ledger.ts';
import type { NetworkTerms } from '../../shared/protocol/payment-types.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { accountsDomain, typedData } from '../../shared/receipts/typed-data.ts';
import { type ChainUnderTest, openChainUnderTest, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { FakePayments } from '../../testing/fake-payments.ts';
import { httpRelay } from '../../testing/http-relay.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { MemoryStore } from '../../testing/memory-store.ts';
import { payingAsker } from '../../testing/paid-relay.ts';
import type { Chain } from '../chain/chain.ts';
import { sendAndWait } from '../chain/send-and-wait.ts';
import type { ChainSender } from '../chain/sender.ts';
import { openClient } from '../chain/viem-chain.ts';
import { SessionKeys } from '../http/keys/session-keys.ts';
import type { PayingParty } from '../payments/payments.ts';
import { chainMoney } from './chain-money.ts';

const aic = 10n ** 18n;
const messages = [{ role: 'user' as const, content: 'hi' }];

/** What there is to spend comes from the chain. */
class ChainFedPayments extends FakePayments {
  readonly #chain: Chain;

  constructor(terms: NetworkTerms, chain: Chain) {
    super(terms);
    this.#chain = chain;
  }

  override async available(party: PayingParty): Promise<bigint> {
    const { payer, sessionKey } = party;
    const charged = this.charged.filter((charge) => charge.party.sessionKey === sessionKey && charge.party.payer === payer);
    const left = await this.#chain.remainingOf(payer, sessionKey);
    this.balances.set(
      `${payer}:${sessionKey}`,
      charged.reduce((rest, { total }) => rest - total, left),
    );
    return super.available(party);
  }
}

describe('the paid API on a chain', { skip: skipWithoutAnvil }, () => {
  let net: ChainUnderTest;
  let sender: ChainSender;
  let server: ServerType;
  let url: string;
  let relay: Awaited<ReturnType<typeof httpRelay>>;
  let payments: ChainFedPayments;
  let terms: NetworkTerms;

  before(async () => {
    net = await openChainUnderTest();
    const { relayChain } = net;
    const { addresses } = relayChain.chain;
    terms = {
      chainId: relayChain.chain.place.chainId,
      ...addresses,
      operator: relayChain.operator,
      publisher: relayChain.operator,
      ask: { prompt: aic / 1000n, output: aic / 500n },
    };
    const ledger = new MemoryLedger();
    sender = relayChain.openSender(ledger);
    await sender.resume();
    payments = new ChainFedPayments(terms, relayChain.chain);
    const sessionKeys = await SessionKeys.open(new MemoryStore());
    const money = chainMoney({ relayChain, sender, ledger, payments, sessionKeys, domains: () => ['localhost:8787'] });
    const source = await httpRelay();
    const askIds = payingAsker(source.asker.askIds, terms.ask);
    relay = await httpRelay({ deps: { money, askIds, clock: Date.now } });
    const port = await new Promise<number>((resolve) => {
      server = serve({ fetch: relay.app.fetch, port: 0, hostname: '127.0.0.1' }, (info) => resolve(info.port));
    });
    url = `http://127.0.0.1:${port}/v1`;
    while (money.x402.gate() === null) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  after(async () => {
    server?.close();
    await sender?.close();
    await net?.close();
  });

  async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
    const response = await fetch(`${url}${path}`, init);
    return { status: response.status, body: await response.json() };
  }

  async function fundedWallet() {
    const wallet = privateKeyToAccount(generatePrivateKey());
    assert.equal((await post('/faucet', { address: wallet.address })).status, 200);
    return { wallet, address: wallet.address.toLowerCase() as Address };
  }

  test('a wallet deposits, makes a key, authorizes it by signature, asks with it and revokes it', async () => {
    const { wallet, address } = await fundedWallet();
    const chain = createPublicClient({ transport: http(`${url}/chain`) });
    const { request } = await chain.simulateContract({
      account: wallet,
      address: terms.aic,
      abi: aicAbi,
      functionName: 'transferAndCall',
      args: [terms.ledger, 500n * aic],
    });
    assert.equal(request.functionName, 'transferAndCall');
    const data = encodeFunctionData({ abi: aicAbi, functionName: 'transferAndCall', args: [terms.ledger, 500n * aic] });
    await sendAndWait(openClient(net.relayChain.rpcUrl), wallet, { chainId: terms.chainId, to: terms.aic, data }, { pollMs: 20 });

    const { nonce, chain_id, domains } = (await post('/auth/nonce', {})).body;
    const message = createSiweMessage({
      address: wallet.address,
      domain: domains[0],
      uri: `http://${domains[0]}`,
      version: '1',
      chainId: chain_id,
      nonce,
    });
    const session = (await post('/auth/verify', { message, signature: await wallet.signMessage({ message }) })).body;
    const headers = { authorization: `Bearer ${session.token}` };
    const expiry = Math.floor(Date.now() / 1000) + 86_400;
    const { body: key } = await post('/keys', { name: 'test', cap: (100n * aic).toString(), expiry }, headers);
    const { domain, types, primaryType, message: words } = key.authorization;
    const signature = await wallet.signTypedData({ domain, types, primaryType, message: { ...words, cap: BigInt(words.cap) } });
    const authorized = await post(`/keys/${key.id}/authorize`, { signature }, headers);
    assert.deepEqual([authorized.status, authorized.body.status], [200, 'active']);
    assert.equal((await post(`/keys/${key.id}/authorize`, { signature }, headers)).status, 200);
    assert.equal(await net.relayChain.chain.balanceOf(address), 400n * aic);

    const answer = await post(
      '/completions',
      { model: 'bytes', prompt: 'x', max_tokens: 9 },
      { authorization: `Bearer ${key.secret}` },
    );
    assert.equal(answer.status, 200);
    assert.ok(BigInt(answer.body.usage.price) > 0n);
    const gone = await (await fetch(`${url}/keys/${key.id}`, { method: 'DELETE', headers })).json();
    await sendAndWait(
      openClient(net.relayChain.rpcUrl),
      wallet,
      { chainId: terms.chainId, to: gone.transaction.to, data: gone.transaction.data },
      { pollMs: 20 },
    );
    assert.ok(
      (await net.relayChain.chain.authorizationOf(address, key.session_key)).expiry <= (await net.relayChain.chain.now()),
    );
  });

  test('the stock x402 client pays into its own escrow and gets its answer streamed; the same payment buys nothing more', async () => {
    const { wallet, address } = await fundedWallet();
    const network = `eip155:${terms.chainId}` as const;
    let sent: string | null = null;
    const watched: typeof fetch = (input, init) => {
      if (typeof input === 'object' && 'headers' in input) sent = input.headers.get('payment-signature') ?? sent;
      return fetch(input, init);
    };
    const paying = wrapFetchWithPaymentFromConfig(watched, {
      schemes: [{ network, client: new ExactEvmScheme(wallet) }],
      spendControls: { allowedAssets: [{ network, asset: terms.aic, maxAmountPerPayment: aic.toString() }] },
    });
    const init = (stream: boolean): RequestInit => ({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'bytes', messages, max_tokens: 20, stream }),
    });
    const response = await paying(`${url}/chat/completions`, init(true));
    assert.equal(response.status, 200);
    const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('data: {'));
    const { vessel } = JSON.parse(events.at(-1)!.slice(6));
    const { transaction, amount } = decodePaymentResponseHeader(response.headers.get('payment-response')!);
    const receipt = await net.rpc<{ status: Hex; to: Address }>('eth_getTransactionReceipt', [transaction]);
    assert.deepEqual([receipt.status, receipt.to], ['0x1', terms.aic]);
    const aicLeft = await net.relayChain.chain.aicOf(address);
    assert.equal(aicLeft, 1000n * aic - BigInt(amount!));
    const { party, total } = payments.charged.at(-1)!;
    assert.equal(party.payer, address);
    assert.equal(await net.relayChain.chain.remainingOf(address, party.sessionKey), BigInt(amount!));
    assert.equal(vessel.price, total.toString());

    const replayed = await fetch(`${url}/chat/completions`, {
      ...init(false),
      headers: { 'content-type': 'application/json', 'payment-signature': sent! },
    });
    assert.equal(replayed.status, 402);
    assert.equal(await net.relayChain.chain.aicOf(address), aicLeft);
  });

  test('a wallet without the money is told what the chain says, and nothing is sent', async () => {
    const wallet = privateKeyToAccount(generatePrivateKey());
    const network = `eip155:${terms.chainId}` as const;
    const paying = wrapFetchWithPaymentFromConfig(fetch, {
      schemes: [{ network, client: new ExactEvmScheme(wallet) }],
      spendControls: { allowedAssets: [{ network, asset: terms.aic, maxAmountPerPayment: aic.toString() }] },
    });
    const before = await net.rpc<Hex>('eth_getTransactionCount', [sender.address, 'latest']);
    const body = JSON.stringify({ model: 'bytes', messages, max_tokens: 20 });
    const response = await paying(`${url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    assert.equal(response.status, 402);
    assert.match((await response.json()).error.message, /InsufficientBalance/);
    assert.equal(await net.rpc<Hex>('eth_getTransactionCount', [sender.address, 'latest']), before);
  });

  test('a device names its payout address without a coin of its own', async () => {
    const device = await deviceKey(await generateKeyPair());
    const account = accountOf(device.publicKey) as Address;
    const payout = net.payer.address.toLowerCase() as Address;
    const { nonce } = await (await fetch(`${url}/accounts/${account}/earnings`)).json();
    const deadline = BigInt(Math.floor(Date.now() / 1000) + 600);
    const digest = hashTypedData({
      domain: accountsDomain({ chainId: terms.chainId, accounts: terms.accounts, ledger: terms.ledger, payroll: terms.payroll }),
      types: { SetPayout: typedData.SetPayout },
      primaryType: 'SetPayout',
      message: { account, payout, nonce: BigInt(nonce), deadline },
    });
    const raw = Buffer.from(await device.sign(hexToBytes(digest) as Uint8Array<ArrayBuffer>));
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const s = BigInt(`0x${raw.subarray(32).toString('hex')}`);
    const word = (value: bigint) => `0x${value.toString(16).padStart(64, '0')}`;
    const point = Buffer.from(device.publicKey.slice(-64));
    const signature = {
      x: `0x${point.subarray(0, 32).toString('hex')}`,
      y: `0x${point.subarray(32).toString('hex')}`,
      r: `0x${raw.subarray(0, 32).toString('hex')}`,
      s: word(s > order / 2n ? order - s : s),
    };
    const body = { kind: 'set-payout', account, payout, deadline: deadline.toString(), by: 'device', signature };
    const wrong = await post('/accounts/payout', { ...body, payout: terms.operator });
    assert.equal(wrong.status, 400);
    assert.match(wrong.body.error.message, /refused the order/);
    assert.equal((await post('/accounts/payout', body)).status, 200);
    assert.equal(await net.relayChain.chain.payoutOf(account), payout);
    assert.equal((await (await fetch(`${url}/accounts/${account}/earnings`)).json()).payout, payout);
  });

  test('viem reads the chain through the relay, and sees reverts as the node tells them', async () => {
    const client = createPublicClient({ transport: http(`${url}/chain`, { batch: true }) });
    const [id, symbol] = await Promise.all([
      client.getChainId(),
      client.readContract({ address: terms.aic, abi: erc20Abi, functionName: 'symbol' }),
    ]);
    assert.deepEqual([id, symbol], [terms.chainId, 'AIC']);
    await assert.rejects(
      client.simulateContract({
        address: terms.ledger,
        abi: computeLedgerAbi,
        functionName: 'withdraw',
        args: [1n, terms.aic],
        account: terms.aic,
      }),
      /InsufficientBalance/,
    );
  });
});
