/** What a hop takes as money and what not: promises by hand, one hop, a chain in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import { newSessionKey } from '../../sdk/paying/session-key.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { OpenMessage } from '../../shared/protocol/order-messages.ts';
import type { NetworkTerms, PaymentMessage, PaymentSource } from '../../shared/protocol/payment-types.ts';
import { creditDigest, voucherDigest } from '../../shared/receipts/digests.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import { signDigest } from '../../shared/receipts/secp-signature.ts';
import { address, FakeChain, networkTerms } from '../../testing/fake-chain.ts';
import { FakeWires } from '../../testing/fake-links.ts';
import { type HopUnderTest, hopUnderTest, opened, openMessage, promptFrame, say } from '../../testing/hop-under-test.ts';
import { pendingCrypto } from '../../testing/pending-crypto.ts';
import { MemoryVoucherStore } from './memory-voucher-store.ts';
import { Metering } from './metering.ts';
import type { Earned } from './metering-ports.ts';

const payer = address(0xaa);
const session = newSessionKey();
const publisher = newSessionKey();
const terms = networkTerms({ publisher: publisher.address });
/** Layers 2–4 and the test prompt of three positions. */
const promptPrice = 2n * 3n * 1000n;
const vouchers: PaymentSource = { kind: 'voucher', payer, sessionKey: session.address };
const credits: PaymentSource = { kind: 'credit', operator: terms.operator };

interface PaidHop extends HopUnderTest {
  chain: FakeChain;
  store: MemoryVoucherStore;
  metering: Metering;
  earned: Earned[];
  account: Address;
}

async function paidHop(store = new MemoryVoucherStore()): Promise<PaidHop> {
  const chain = new FakeChain();
  chain.authorize(payer, session.address, { cap: 10n ** 9n });
  let { clock } = new FakeWires();
  const metering = new Metering({
    signer: await deviceKey(await generateKeyPair()),
    clock: { now: () => clock.now(), after: (ms, action) => clock.after(ms, action) },
    unixSeconds: () => clock.now() / 1000,
    coverage: chain,
    store,
    creditLimit: 20_000n,
  });
  metering.terms = terms;
  const hop = await hopUnderTest(2, 4, { metering });
  clock = hop.wires.clock;
  hop.wires.isBusy = pendingCrypto;
  const earned: Earned[] = [];
  metering.onEarned = (one) => earned.push(one);
  return { ...hop, chain, store, metering, earned, account: metering.account };
}

function openPaid(hop: PaidHop, source: PaymentSource, ask = terms.ask): Promise<OpenMessage> {
  return opened(hop, openMessage(2, 4, { payment: { source, ask } }));
}

function voucher(
  payee: Address,
  cumulative: bigint,
  {
    key = session.privateKey,
    place = terms,
    ...rest
  }: Partial<{ key: Hex; place: NetworkTerms; payer: Address; total: bigint }> = {},
): PaymentMessage {
  const body = { payer, total: cumulative, payments: [{ payee, cumulative }], ...rest };
  return { kind: 'voucher', voucher: body, signature: signDigest(voucherDigest(place, body), key) };
}

function credit(
  account: Address,
  cumulative: bigint,
  {
    key = publisher.privateKey,
    place = terms,
    ...rest
  }: Partial<{ key: Hex; place: NetworkTerms; operator: Address; epoch: number }> = {},
): PaymentMessage {
  const body = { operator: terms.operator, account, cumulative, epoch: 1, ...rest };
  return { kind: 'credit', credit: body, signature: signDigest(creditDigest(place, body), key) };
}

/** Pays, sends the prompt, and says whether the hop has computed it, or why not. */
async function tryWith(hop: PaidHop, source: PaymentSource, ...payments: PaymentMessage[]): Promise<string> {
  const open = await openPaid(hop, source);
  for (const payment of payments) await say(hop, { type: 'pay', session: open.session, payment });
  hop.wires.providers.get(hop.hop.peer)!.core.frame(open.route[0]!, promptFrame(open));
  await hop.wires.settle();
  const steps = hop.hop.runtimes[0]!.steps;
  if (steps === 0) {
    await hop.wires.wait(limits.payWaitMs);
    return hop.asker.story.at(-1)!;
  }
  return 'computed';
}

test('[PY4] [PY11] a hop works for a good voucher and for a good credit', async () => {
  const byVoucher = await paidHop();
  assert.equal(await tryWith(byVoucher, vouchers, voucher(byVoucher.account, promptPrice)), 'computed');
  const byCredit = await paidHop();
  assert.equal(await tryWith(byCredit, credits, credit(byCredit.account, promptPrice)), 'computed');
});

test('[PY4] a hop computes nothing for a promise that is one wei short, and says so after payWaitMs', async () => {
  const hop = await paidHop();
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, promptPrice - 1n)), 'payment_required');
  assert.equal(hop.hop.core.status().sessions, 0);
  assert.equal(hop.wires.time.waiting, 0);
});

const stranger = newSessionKey();
const badVouchers: [string, (account: Address) => PaymentMessage][] = [
  ['signed by another key', (account) => voucher(account, promptPrice, { key: stranger.privateKey })],
  ['of another payer', (account) => voucher(account, promptPrice, { payer: address(0xbb) })],
  ['for another chain', (account) => voucher(account, promptPrice, { place: { ...terms, chainId: 1 } })],
  ['for another ledger', (account) => voucher(account, promptPrice, { place: { ...terms, ledger: address(99) } })],
  ['to somebody else', () => voucher(address(0xcc), promptPrice)],
  ['of more than its total', (account) => voucher(account, promptPrice, { total: promptPrice - 1n })],
  ['beyond the cap', (account) => voucher(account, promptPrice, { total: 10n ** 9n + 1n })],
  ['of the other kind', (account) => credit(account, promptPrice)],
  [
    'that names a payee twice',
    (account) => {
      const one = { payee: account, cumulative: promptPrice };
      const body = { payer, total: 2n * promptPrice, payments: [one, one] };
      return { kind: 'voucher', voucher: body, signature: signDigest(voucherDigest(terms, body), session.privateKey) };
    },
  ],
  [
    'that was changed after signing',
    (account) => {
      const good = voucher(account, promptPrice - 1n) as Extract<PaymentMessage, { kind: 'voucher' }>;
      return {
        ...good,
        voucher: { ...good.voucher, total: promptPrice, payments: [{ payee: account, cumulative: promptPrice }] },
      };
    },
  ],
];
for (const [what, make] of badVouchers) {
  test(`[PY11] a voucher ${what} ends the session, and no work is done`, async () => {
    const hop = await paidHop();
    const open = await openPaid(hop, vouchers);
    await say(hop, { type: 'pay', session: open.session, payment: make(hop.account) });
    assert.match(hop.asker.story.at(-1)!, /bad_message|payment_required/);
    assert.equal(hop.hop.core.status().sessions, 0);
    assert.equal(hop.hop.runtimes[0]!.steps, 0);
  });
}

const badCredits: [string, (account: Address) => PaymentMessage][] = [
  ['signed by another key', (account) => credit(account, promptPrice, { key: stranger.privateKey })],
  ['of another operator', (account) => credit(account, promptPrice, { operator: address(0xbb) })],
  ['for another payroll', (account) => credit(account, promptPrice, { place: { ...terms, payroll: address(99) } })],
  ['to somebody else', () => credit(address(0xcc), promptPrice)],
  ['beyond the limit', (account) => credit(account, 20_001n)],
  ['for an epoch far ahead', (account) => credit(account, promptPrice, { epoch: 1 + limits.maxCreditEpochs })],
  ['of the other kind', (account) => voucher(account, promptPrice)],
];
for (const [what, make] of badCredits) {
  test(`[PY11] a credit ${what} ends the session, and no work is done`, async () => {
    const hop = await paidHop();
    const open = await openPaid(hop, credits);
    await say(hop, { type: 'pay', session: open.session, payment: make(hop.account) });
    assert.match(hop.asker.story.at(-1)!, /bad_message|payment_required/);
    assert.equal(hop.hop.core.status().sessions, 0);
  });
}

test('[PY11] the limit of credit counts from the payroll root', async () => {
  const hop = await paidHop();
  hop.chain.root(terms.operator, hop.account, { cumulative: 50_000n, epoch: 7 });
  assert.equal(await tryWith(hop, credits, credit(hop.account, 50_000n + promptPrice, { epoch: 8 })), 'computed');
});

test('[PY11] promises do not fall below what was used: such a voucher ends its session and the higher one stays', async () => {
  const hop = await paidHop();
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, promptPrice)), 'computed');
  const { session: id } = hop.asker.received[0]!;
  await say(hop, { type: 'pay', session: id, payment: voucher(hop.account, promptPrice - 1n) });
  assert.equal(hop.asker.story.at(-1), 'bad_message');
  await hop.wires.wait(limits.settleWaitMs);
  assert.deepEqual(hop.earned.at(-1)!.payment, voucher(hop.account, promptPrice));
});

test('[PY11] money that others have drawn meanwhile is no cover', async () => {
  const hop = await paidHop();
  hop.chain.authorize(payer, session.address, { cap: 10n ** 9n, spent: 10n ** 9n - promptPrice + 1n });
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, promptPrice)), 'payment_required');
});

test('[PY11] a hop that has forgotten a key takes what it claimed on chain as used', async () => {
  const hop = await paidHop();
  hop.chain.claimed(payer, session.address, hop.account, 70_000n);
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, 70_000n + promptPrice - 1n)), 'payment_required');
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, 70_000n + promptPrice)), 'computed');
});

test('[PY12] the newest voucher is handed in when the session ends, and again until the chain has seen it', async () => {
  const hop = await paidHop();
  const newest = voucher(hop.account, promptPrice + 5n);
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, promptPrice), newest), 'computed');
  const { session: id } = hop.asker.received[0]!;
  await say(hop, { type: 'close', session: id });
  assert.deepEqual(hop.asker.story.slice(-2), ['receipt', 'closed']);
  assert.equal(hop.earned.length, 0, 'the asker may still settle');
  await hop.wires.wait(limits.settleWaitMs);
  assert.equal(hop.earned.length, 1);
  assert.deepEqual(hop.earned[0]!.payment, newest);
  assert.equal(hop.earned[0]!.receipt.receipt.amount, promptPrice);
  assert.deepEqual(await hop.metering.unclaimed(), hop.earned);
  hop.chain.claimed(payer, session.address, hop.account, promptPrice + 5n);
  await hop.wires.wait(limits.coverageCacheMs);
  assert.deepEqual(await hop.metering.unclaimed(), []);
});

test('[PY12] a voucher for exactly what was used settles a session: it is handed in, in place of the higher one', async () => {
  const hop = await paidHop();
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, promptPrice + 5n)), 'computed');
  const { session: id } = hop.asker.received[0]!;
  await say(hop, { type: 'close', session: id });
  await say(hop, { type: 'pay', session: id, payment: voucher(hop.account, promptPrice - 1n) });
  assert.equal(hop.earned.length, 0, 'less than was used settles nothing');
  await hop.wires.wait(limits.settleWaitMs);
  assert.deepEqual(
    hop.earned.map(({ payment }) => payment),
    [voucher(hop.account, promptPrice + 5n)],
  );

  const other = await paidHop();
  assert.equal(await tryWith(other, vouchers, voucher(other.account, promptPrice + 5n)), 'computed');
  await say(other, { type: 'close', session: other.asker.received[0]!.session });
  await say(other, { type: 'pay', session: other.asker.received[0]!.session, payment: voucher(other.account, promptPrice) });
  assert.deepEqual(
    other.earned.map(({ payment }) => payment),
    [voucher(other.account, promptPrice)],
  );
});

test('[PY12] a session that ends by itself hands its voucher in too', async () => {
  const hop = await paidHop();
  assert.equal(await tryWith(hop, vouchers, voucher(hop.account, promptPrice)), 'computed');
  hop.wires.kill([...hop.wires.providers.keys()].find((peer) => peer !== hop.hop.peer)!);
  await hop.wires.wait(limits.sessionLeaseMs + limits.settleWaitMs + 1000);
  assert.equal(hop.earned.length, 1);
});

test('[PY11] rubbish in any field of a payment ends its stream or its session, and costs the hop nothing', async () => {
  const hop = await paidHop();
  const good = JSON.parse(
    JSON.stringify(voucher(hop.account, promptPrice), (_key, value) => (typeof value === 'bigint' ? `${value}` : value)),
  );
  const paths: [string, (payment: typeof good, value: unknown) => void][] = [
    ['kind', (payment, value) => (payment.kind = value)],
    ['signature', (payment, value) => (payment.signature = value)],
    ['payer', (payment, value) => (payment.voucher.payer = value)],
    ['total', (payment, value) => (payment.voucher.total = value)],
    ['payments', (payment, value) => (payment.voucher.payments = value)],
    ['payee', (payment, value) => (payment.voucher.payments[0].payee = value)],
    ['cumulative', (payment, value) => (payment.voucher.payments[0].cumulative = value)],
    ['more', (payment, value) => (payment.more = value)],
  ];
  const hexText = fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 40, maxLength: 130 })
    .map((text) => `0x${text}`);
  const rubbish = fc.oneof(fc.jsonValue(), fc.bigInt().map(String), hexText);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), rubbish, async ([, change], value) => {
      const open = await openPaid(hop, vouchers);
      const payment = structuredClone(good);
      change(payment, value);
      if (JSON.stringify(payment) === JSON.stringify(good)) return;
      try {
        hop.hop.core.orderMessage(hop.asker.order.id, 'nobody', JSON.stringify({ type: 'pay', session: open.session, payment }));
      } catch (thrown) {
        assert.equal((thrown as { code: string }).code, 'bad_message');
        hop.hop.core.release(open.session);
      }
      await hop.wires.settle();
      assert.equal(hop.hop.core.status().sessions, 0);
    }),
    { numRuns: 200 },
  );
  assert.equal(hop.earned.length, 0);
});
