/**
 * Money end to end, with nothing replaced: wallets, a real EVM, a relay, three tabs in Chromium. Paid by an API key, by the SDK's vouchers
 * and by x402; then an epoch closes, everyone claims, and every wei is looked for.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ExactEvmScheme } from '@x402/evm';
import { wrapFetchWithPaymentFromConfig } from '@x402/fetch';
import OpenAI from 'openai';
import { concatHex, encodeFunctionData, hexToBytes, parseEventLogs } from 'viem';
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { createSiweMessage } from 'viem/siwe';
import { sendAndWait } from '../../relay/chain/send-and-wait.ts';
import { openClient } from '../../relay/chain/viem-chain.ts';
import { newSessionKey } from '../../sdk/paying/session-key.ts';
import { connect } from '../../sdk/vessel.ts';
import { accountsAbi } from '../../shared/chain/accounts.ts';
import { aicAbi } from '../../shared/chain/aic.ts';
import { assetAbi } from '../../shared/chain/asset.ts';
import { computeLedgerAbi } from '../../shared/chain/compute-ledger.ts';
import { payrollAbi } from '../../shared/chain/payroll.ts';
import { serviceRegistryAbi } from '../../shared/chain/service-registry.ts';
import { accountOf } from '../../shared/receipts/account.ts';
import { setPayoutDigest } from '../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { modelWord } from '../../shared/receipts/ids.ts';
import { parsePayroll } from '../../shared/receipts/payroll-file.ts';
import { skipWithoutBrowser } from '../../testing/browser-or-skip.ts';
import { type ChainUnderTest, openChainUnderTest, skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { TabNetwork } from '../harness/tab-network.ts';
import { tinyChats } from '../harness/tiny-samples.ts';
import { until } from '../harness/until.ts';

const aic = 10n ** 18n;
/** Royalty of the model's owner, in basis points; the local chain's network fee is 500. */
const royalty = 1_000;
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const sum = (amounts: Iterable<bigint>) => [...amounts].reduce((total, amount) => total + amount, 0n);
const lower = (wallet: { address: string }) => wallet.address.toLowerCase() as Address;

describe('paid work in real tabs', { skip: skipWithoutBrowser || skipWithoutAnvil }, () => {
  let chain: ChainUnderTest;
  let network: TabNetwork;
  let owner: PrivateKeyAccount;
  /** Accounts of the three tabs. */
  let tabs: Address[];
  const payouts = new Map<Address, Address>();
  /** What each account has to get in the end, as the answers' receipts said. */
  const due = new Map<Address, bigint>();
  const spent = new Map<Address, bigint>();

  before(async () => {
    chain = await openChainUnderTest();
    network = await TabNetwork.start({
      split: [3, 3, 2],
      chain: chain.relayChain,
      payments: { epochMs: 1e9, tickMs: 1e9, minPayout: 1n, minClaim: 1n },
    });
    owner = await wallet();
    await listModel(owner, modelWord(network.model));
    await network.addTabs(3);
    await network.ready();
    tabs = await Promise.all(network.tabs.map(async ({ page }) => accountOf(Uint8Array.from(await page.evaluate(publicKeyOf)))));
    assert.equal(new Set(tabs).size, 3);
  });
  after(async () => {
    await network?.close();
    await chain?.close();
  });

  const addresses = () => chain.relayChain.chain.addresses;
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

  async function listModel(maker: PrivateKeyAccount, id: Hex): Promise<void> {
    const { asset, registry } = addresses();
    const mint = [lower(maker), 2, `0x${'ab'.repeat(32)}`, royalty, 250, []] as const;
    const receipt = await send(maker, asset, encodeFunctionData({ abi: assetAbi, functionName: 'mint', args: mint }));
    const [minted] = parseEventLogs({ abi: assetAbi, logs: receipt.logs, eventName: 'Minted' });
    const list = [id, minted!.args.id, 0n] as const;
    await send(maker, registry, encodeFunctionData({ abi: serviceRegistryAbi, functionName: 'listModel', args: list }));
  }

  async function api(path: string, init: { body?: unknown; token?: string } = {}) {
    const response = await fetch(`${network.url}/v1${path}`, {
      method: init.body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...(init.token ? { authorization: `Bearer ${init.token}` } : {}) },
      ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
    });
    const body = await response.json();
    assert.ok(response.ok, JSON.stringify(body));
    return body;
  }

  /** Hops in route order are the three tabs; beside them the model's owner and the network. */
  function expect(payer: Address, work: { prompt: number; output: number }): bigint {
    const { ask } = network.relay.payments!.terms;
    const layers = [3n, 3n, 2n];
    const perLayer = BigInt(work.prompt) * ask.prompt + BigInt(work.output) * ask.output;
    const compute = layers.reduce((sum, count) => sum + count * perLayer, 0n);
    const add = (account: Address, amount: bigint) => due.set(account, (due.get(account) ?? 0n) + amount);
    for (const [index, account] of routeAccounts().entries()) add(account, layers[index]! * perLayer);
    add(lower(owner), (compute * BigInt(royalty)) / 10_000n);
    add(networkAccount, (compute * 500n) / 10_000n);
    const total = compute + (compute * BigInt(royalty)) / 10_000n + (compute * 500n) / 10_000n;
    spent.set(payer, (spent.get(payer) ?? 0n) + total);
    return total;
  }

  let networkAccount: Address;
  let byRoute: Address[] = [];
  const routeAccounts = () => byRoute;

  test('a wallet funds its escrow and makes an API key; the openai client asks with it and sees price and receipt', async () => {
    networkAccount = await chain.relayChain.chain.network();
    const held = await Promise.all(network.tabs.map((tab) => tab.layers()));
    byRoute = tabs
      .map((account, index) => ({ account, from: held[index]![0] }))
      .sort((a, b) => a.from - b.from)
      .map(({ account }) => account);

    const payer = await wallet();
    const { aic: token, ledger } = addresses();
    await send(payer, token, encodeFunctionData({ abi: aicAbi, functionName: 'transferAndCall', args: [ledger, 10n * aic] }));
    const { nonce, chain_id, domains } = await api('/auth/nonce', { body: {} });
    const [domain] = domains;
    const message = createSiweMessage({
      address: payer.address,
      domain,
      uri: `http://${domain}`,
      version: '1',
      chainId: chain_id,
      nonce,
    });
    const signature = await payer.signMessage({ message });
    const { token: session } = await api('/auth/verify', { body: { message, signature } });
    const expiry = Math.floor(Date.now() / 1000) + 86_400;
    const key = await api('/keys', { body: { name: 'mine', cap: (5n * aic).toString(), expiry }, token: session });
    const { message: words, ...typed } = key.authorization;
    const authorization = await payer.signTypedData({ ...typed, message: { ...words, cap: BigInt(words.cap) } });
    await api(`/keys/${key.id}/authorize`, { body: { signature: authorization }, token: session });

    const client = new OpenAI({ baseURL: `${network.url}/v1`, apiKey: key.secret });
    const { messages, text } = (await tinyChats())[2]!;
    const answer = await client.chat.completions.create({ model: 'vessel-tiny', messages, temperature: 0 });
    assert.equal(answer.choices[0]!.message.content, text);
    const usage = answer.usage as unknown as { prompt_tokens: number; completion_tokens: number; price: string; receipt: string };
    assert.match(usage.receipt, /^0x[0-9a-f]{64}$/);
    // The stop token was computed too, from the last token that was shown.
    const total = expect(lower(payer), { prompt: usage.prompt_tokens, output: usage.completion_tokens });
    assert.equal(usage.price, total.toString());
    const [listed] = (await (await fetch(`${network.url}/v1/keys`, { headers: { authorization: `Bearer ${session}` } })).json())
      .data;
    assert.equal(listed.spent, total.toString());
  });

  test('the SDK asks with vouchers of a session key: tabs are promised batch by batch, without the relay', async () => {
    const payer = await wallet();
    const { aic: token, ledger } = addresses();
    await send(
      payer,
      token,
      encodeFunctionData({ abi: aicAbi, functionName: 'transferAndCall', args: [ledger, 10n * aic, concatHex([lower(payer)])] }),
    );
    const session = newSessionKey();
    const authorize = [session.address, 5n * aic, Math.floor(Date.now() / 1000) + 86_400] as const;
    await send(payer, ledger, encodeFunctionData({ abi: computeLedgerAbi, functionName: 'authorize', args: authorize }));
    const vessel = await connect({
      relay: network.url,
      payer: { sessionKey: session.privateKey, payer: payer.address, cap: 5n * aic },
    });
    try {
      const { messages, text } = (await tinyChats())[2]!;
      let said = '';
      let paid: { price: { total: bigint }; receipt: Hex } | undefined;
      let output = 0;
      let prompt = 0;
      for await (const event of vessel.ask({ model: 'vessel-tiny', messages, sampling: { temperature: 0 } })) {
        if (event.type === 'text') said += event.text;
        if (event.type === 'done') ({ paid, completionTokens: output, promptTokens: prompt } = event as never);
      }
      assert.equal(said, text);
      assert.equal(paid!.price.total, expect(lower(payer), { prompt, output }));
      assert.match(paid!.receipt, /^0x[0-9a-f]{64}$/);
    } finally {
      await vessel.close();
    }
  });

  test('a stock x402 client without any key pays and gets its answer streamed', async () => {
    const payer = await wallet();
    const net = `eip155:${chain.relayChain.chain.place.chainId}` as const;
    const paying = wrapFetchWithPaymentFromConfig(fetch, {
      schemes: [{ network: net, client: new ExactEvmScheme(payer) }],
      spendControls: { allowedAssets: [{ network: net, asset: addresses().aic, maxAmountPerPayment: aic.toString() }] },
    });
    const { messages, text } = (await tinyChats())[2]!;
    const body = {
      model: 'vessel-tiny',
      messages,
      temperature: 0,
      max_tokens: 40,
      stream: true,
      stream_options: { include_usage: true },
    };
    const before = await balance(lower(payer));
    const response = await paying(`${network.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 200, await response.clone().text());
    const chunks = (await response.text())
      .split('\n\n')
      .flatMap((event) => (event.startsWith('data: {') ? [JSON.parse(event.slice(6))] : []));
    assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join(''), text);
    const { usage } = chunks.at(-1);
    const total = expect(lower(payer), { prompt: usage.prompt_tokens, output: usage.completion_tokens });
    assert.equal(usage.price, total.toString());
    // The bound is in the payer's own escrow, not with the relay.
    assert.ok(before - (await balance(lower(payer))) > total);
  });

  test('an epoch closes, each account names a payout address and claims; every wei is where it belongs', async () => {
    const { payments } = network.relay;
    for (const [index, account] of tabs.entries()) {
      const payout = lower(privateKeyToAccount(generatePrivateKey()));
      await bindPayout(index, account, payout);
      payouts.set(account, payout);
    }
    const supplyBefore = await totalSupply();
    const networkBefore = await balance(networkAccount);
    const ownerBefore = await balance(lower(owner));
    await payments!.closeEpoch();
    await until('the epoch is accepted', async () => {
      await chain.rpc('evm_increaseTime', [30]);
      await chain.rpc('evm_mine');
      return (
        (await payments!.advance()).state === 'open' &&
        (await chain.relayChain.chain.currentOf(payments!.terms.operator)).epoch === 1
      );
    });
    await payments!.tick();

    // Anyone may claim for anyone, from the downloaded file alone; it goes to the account's own payout address.
    const file = parsePayroll(await (await fetch(`${network.url}/v1/payroll/epochs/1`)).text());
    const stranger = await wallet();
    for (const account of [...tabs, lower(owner), networkAccount]) {
      const { leaf, proof } = file.tree.proofOf(account);
      if ((await chain.relayChain.chain.paidOf(file.operator, account)).paid === leaf.cumulative) continue;
      const args = [file.operator, leaf, proof] as const;
      const data = encodeFunctionData({ abi: payrollAbi, functionName: 'claim', args });
      if (tabs.includes(account)) await send(stranger, addresses().payroll, data);
      else if (account === lower(owner)) await send(owner, addresses().payroll, data);
      else await asNetwork(addresses().payroll, data);
    }
    // What the SDK's vouchers gave waits on the ledger contract.
    const events = await chain.relayChain.chain.events(chain.relayChain.chain.firstBlock);
    const channels = events.events.flatMap((event) =>
      event.contract === 'ledger' && event.name === 'Claimed' && event.args.payer !== payments!.terms.operator
        ? [{ payer: event.args.payer, sessionKey: event.args.sessionKey }]
        : [],
    );
    for (const account of [...tabs, lower(owner), networkAccount]) {
      for (const channel of channels) {
        const { claimed, paidOut } = await chain.relayChain.chain.channelOf(channel.payer, channel.sessionKey, account);
        if (claimed === paidOut) continue;
        const data = encodeFunctionData({ abi: computeLedgerAbi, functionName: 'payOut', args: [account, [channel]] });
        if (tabs.includes(account)) await send(stranger, addresses().ledger, data);
        else if (account === lower(owner)) await send(owner, addresses().ledger, data);
        else await asNetwork(addresses().ledger, data);
      }
    }
    // A credit that was signed for a batch is paid in full at the end of the epoch, though the answer ended within it: the operator bears
    // the rest, and says so in its books. Beyond it everyone has what the receipts say, to the wei.
    const { float } = await network.relay.checkBooks!();
    const received = await Promise.all([
      ...tabs.map((account) => balance(payouts.get(account)!)),
      balance(lower(owner)).then((now) => now - ownerBefore),
      balance(networkAccount).then((now) => now - networkBefore),
    ]);
    const accounts = [...tabs, lower(owner), networkAccount];
    const beyond = accounts.map((account, index) => received[index]! - due.get(account)!);
    const batch = 32n * payments!.terms.ask.output * 3n;
    for (const [index, rest] of beyond.entries())
      assert.ok(rest >= 0n && rest <= batch, `${accounts[index]}: ${rest} wei too much`);
    assert.equal(sum(beyond), float);
    assert.equal(sum(due.values()), sum(spent.values()), 'what payers spent is what was earned');
    assert.equal(await totalSupply(), supplyBefore);
    // No payer's escrow lost a wei more than its answers cost.
    for (const [payer, cost] of spent) assert.equal(await drawn(payer), cost, `escrow of ${payer}`);
  });

  test('vessel books check finds no difference', async () => {
    const report = await network.relay.checkBooks!();
    assert.deepEqual(report.faults, []);
    const unequal = report.comparisons.filter(({ left, right }) => left[1] !== right[1]);
    assert.deepEqual(unequal, []);
    assert.equal(report.difference, 0n);
    assert.ok(report.counts.answers >= 2);
  });

  /** What vouchers have drawn from a payer's escrow, over all its session keys. */
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

  async function totalSupply(): Promise<bigint> {
    const client = openClient(chain.relayChain.rpcUrl);
    return client.readContract({ address: addresses().aic, abi: aicAbi, functionName: 'totalSupply' });
  }

  /** The network's account is a key of the local chain that nobody here holds: the test chain lets us speak for it. */
  async function asNetwork(to: Address, data: Hex): Promise<void> {
    await chain.rpc('anvil_impersonateAccount', [networkAccount]);
    await chain.rpc('anvil_setBalance', [networkAccount, '0xde0b6b3a7640000']);
    const hash = await chain.rpc<Hex>('eth_sendTransaction', [{ from: networkAccount, to, data }]);
    await until('it is mined', async () => (await chain.rpc('eth_getTransactionReceipt', [hash])) !== null);
    await chain.rpc('anvil_stopImpersonatingAccount', [networkAccount]);
  }

  /** The tab's own key signs, inside the tab: it cannot leave it. */
  async function bindPayout(index: number, account: Address, payout: Address): Promise<void> {
    const { nonce } = await api(`/accounts/${account}/earnings`);
    const deadline = BigInt(Math.floor(Date.now() / 1000) + 3600);
    const digest = setPayoutDigest(chain.relayChain.chain.place, { account, payout, nonce: BigInt(nonce), deadline });
    const { page } = network.tabs[index]!;
    const raw = await page.evaluate(signInPage, [...hexToBytes(digest)]);
    const point = await page.evaluate(publicKeyOf);
    const hex = (bytes: number[]) => `0x${Buffer.from(bytes).toString('hex')}` as Hex;
    const s = BigInt(hex(raw.slice(32)));
    const signature = {
      x: hex(point.slice(-64, -32)),
      y: hex(point.slice(-32)),
      r: hex(raw.slice(0, 32)),
      s: `0x${(s > order / 2n ? order - s : s).toString(16).padStart(64, '0')}`,
    };
    await api('/accounts/payout', {
      body: { kind: 'set-payout', account, payout, deadline: `${deadline}`, by: 'device', signature },
    });
    const bound = await openClient(chain.relayChain.rpcUrl).readContract({
      address: addresses().accounts,
      abi: accountsAbi,
      functionName: 'payoutOf',
      args: [account],
    });
    assert.equal(bound.toLowerCase(), payout);
  }
});

/** Runs in the page. */
async function publicKeyOf(): Promise<number[]> {
  const db = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open('vessel', 1);
    request.onsuccess = () => resolve(request.result);
  });
  const pair = await new Promise<CryptoKeyPair>((resolve) => {
    const request = db.transaction('keys').objectStore('keys').get('device');
    request.onsuccess = () => resolve(request.result);
  });
  return [...new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey))];
}

/** Runs in the page. */
async function signInPage(message: number[]): Promise<number[]> {
  const db = await new Promise<IDBDatabase>((resolve) => {
    const request = indexedDB.open('vessel', 1);
    request.onsuccess = () => resolve(request.result);
  });
  const pair = await new Promise<CryptoKeyPair>((resolve) => {
    const request = db.transaction('keys').objectStore('keys').get('device');
    request.onsuccess = () => resolve(request.result);
  });
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  return [...new Uint8Array(await crypto.subtle.sign(algorithm, pair.privateKey, Uint8Array.from(message)))];
}
