/** Paid sessions over real provider cores and the real asker, on fake wires that deliver in any order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AskEvent } from '../../shared/protocol/asking.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { PaymentMessage, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import { answerReceiptHash } from '../../shared/receipts/answer-receipt.ts';
import { receiptDigest } from '../../shared/receipts/digests.ts';
import { fromHex } from '../../shared/receipts/eip712.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { hopPrice } from '../../shared/receipts/price.ts';
import { address } from '../../testing/fake-chain.ts';
import { newSession } from '../../testing/fake-links.ts';
import { wholeAnswer } from '../../testing/language-model.ts';
import { collect, PaidNetwork, payerAddress } from '../../testing/paid-network.ts';
import { verifySignature } from '../net/device-key.ts';
import type { AskPayer, Owed } from './ask-payer.ts';

const ids = (count: number) => Array.from({ length: count }, (_, index) => (7 * index) % 64);
const done = (events: AskEvent[]) => events.find((event) => event.type === 'done')!;
const tokens = (events: AskEvent[]) => events.flatMap((event) => (event.type === 'token' ? event.id : []));

/** Wei that this voucher promises to the account. */
function promisedTo(payment: PaymentMessage | undefined, account: Address): bigint {
  if (payment?.kind !== 'voucher') return 0n;
  return payment.voucher.payments.find(({ payee }) => payee === account)?.cumulative ?? 0n;
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`[PY1] [PY6] an answer over three hops costs positions times layers times ask, to the wei (seed ${seed})`, async () => {
    const network = await PaidNetwork.create(seed);
    network.ports.shares = [
      { account: address(0xb1), basisPoints: 333 },
      { account: address(0xb2), basisPoints: 250 },
    ];
    const request = network.request({ promptIds: ids(150), maxTokens: 100 });
    const events = await network.answer(request);
    assert.deepEqual(tokens(events), await wholeAnswer(network.model, request));
    const { paid } = done(events) as Extract<AskEvent, { type: 'done' }>;
    // The last token is drawn and not computed.
    const work = { promptPositions: 150, outputPositions: 99 };
    const perHop = hopPrice({ layers: 2, ask: network.terms.ask }, work);
    assert.equal(perHop, 2n * (150n * 1000n + 99n * 3001n));
    const shares = [(3n * perHop * 333n) / 10_000n, (3n * perHop * 250n) / 10_000n];
    assert.deepEqual(paid!.price, { hops: [perHop, perHop, perHop], shares, total: 3n * perHop + shares[0]! + shares[1]! });
    for (const { metering, earned, positions } of network.hops) {
      assert.equal(positions(), 249);
      assert.equal(earned.length, 1);
      assert.equal(earned[0]!.receipt.receipt.amount, perHop);
      assert.equal(promisedTo(earned[0]!.payment, metering.account), perHop);
    }
    const receipts = network.hops.map(({ earned }) => earned[0]!.receipt);
    const papers = new Set(network.hops.map(({ earned }) => earned[0]!.payment));
    assert.match(paid!.receipt, /^0x[0-9a-f]{64}$/);
    assert.equal(answerReceiptHash(receipts, [...papers]), answerReceiptHash([...receipts].reverse(), [...papers].reverse()));
    assert.equal(await network.end(), 0);
  });
}

test('[PY5] receipts come after every prefill chunk and every 32 positions, signed by the device key, cumulative', async () => {
  const network = await PaidNetwork.create(3);
  const receipts: ReceiptMessage[] = [];
  const { openOrder } = network.ports;
  network.ports.openOrder = (peer, handlers) =>
    openOrder.call(network.ports, peer, {
      ...handlers,
      onMessage: (text) => {
        const message = JSON.parse(text);
        if (message.type === 'receipt' && peer === network.hops[1]!.provider.peer) receipts.push(message.signed);
        handlers.onMessage(text);
      },
    });
  await network.answer({ promptIds: ids(150), maxTokens: 80 });
  const story = receipts.map(({ receipt: { batch, promptPositions, outputPositions } }) => [
    batch,
    promptPositions,
    outputPositions,
  ]);
  const expected = [
    [0, 64, 0],
    [1, 128, 0],
    [2, 150, 0],
    [3, 150, 32],
    [4, 150, 64],
    [5, 150, 79],
  ];
  assert.deepEqual(story, expected);
  for (const { receipt, signature } of receipts) {
    const digest = fromHex(receiptDigest(network.terms, { ...receipt, amount: BigInt(receipt.amount) }), 32);
    assert.equal(await verifySignature(network.hops[1]!.key.publicKey, digest, fromHex(signature, 64)), true);
  }
});

test('[PY3] an answer that could cost more than allowed is refused before anything is opened', async () => {
  const network = await PaidNetwork.create();
  const most = 3n * hopPrice({ layers: 2, ask: network.terms.ask }, { promptPositions: 5, outputPositions: 3 });
  const refused = { code: 'payment_required', message: /can cost up to 0\.\d+ AIC/ };
  await assert.rejects(network.answer({ maxPrice: most - 1n }), refused);
  await assert.rejects(network.answer({ payer: network.payer({ bound: most - 1n }) }), refused);
  const { payer: _, ...unpaid } = network.request();
  await assert.rejects(network.wires.until(collect(network.ask({ ...unpaid, payer: undefined as never }))), refused);
  assert.deepEqual([network.ports.orders.length, network.ports.open.size], [0, 0]);
  await network.answer({ maxPrice: most, payer: network.payer({ bound: most }) });
  assert.equal(await network.end(), 0);
});

/** Pays like the payer it wraps until `stop` says so, and then no more. */
class Miser implements AskPayer {
  readonly #payer: AskPayer;
  readonly #stop: (owed: Owed) => boolean;
  #last = new Map<Address, PaymentMessage>();

  constructor(payer: AskPayer, stop: (owed: Owed) => boolean) {
    this.#payer = payer;
    this.#stop = stop;
  }

  get source() {
    return this.#payer.source;
  }

  get bound() {
    return this.#payer.bound;
  }

  async pay(session: string, owed: Owed) {
    if (!this.#stop(owed)) this.#last = await this.#payer.pay(session, owed);
    return this.#last;
  }

  end(session: string, receipts: readonly ReceiptMessage[], earned: Owed) {
    return this.#payer.end(session, receipts, earned);
  }
}

for (const [when, promptLength, limit] of [
  ['in the prompt', 300, 2n * 128n * 1000n],
  ['in the answer', 10, 2n * (10n * 1000n + 40n * 3001n)],
] as const) {
  test(`[PY4] an asker that stops paying ${when} gets no batch that is not paid for`, async () => {
    const network = await PaidNetwork.create(2);
    const payer = new Miser(network.payer(), (owed) => [...owed.values()].some((amount) => amount > limit));
    const asked = network.answer({ promptIds: ids(promptLength), maxTokens: 150, payer });
    await assert.rejects(asked, { code: 'payment_required' });
    await network.wires.wait(limits.payWaitMs);
    for (const { metering, earned, positions } of network.hops) {
      const { receipt, payment } = earned[0]!;
      const { promptPositions, outputPositions, amount } = receipt.receipt;
      assert.equal(positions(), promptPositions + outputPositions, 'everything computed is signed for');
      assert.ok(amount <= promisedTo(payment, metering.account), 'and paid for');
      assert.ok(amount <= limit);
    }
    assert.equal(await network.end(), 0);
  });
}

test('[PY7] an asker whose hop stops working has promised each hop at most one batch that is not done', async () => {
  for (const after of [0, 64, 150, 190, 230]) {
    let steps = 0;
    let isStuck = false;
    const stuck = new Promise<void>(() => {});
    const onStep = (count: number) => {
      steps += count;
      if (steps <= after) return;
      isStuck = true;
      return stuck;
    };
    const network = await PaidNetwork.create(4, [{}, { runtime: { onStep } }, {}]);
    const payer = network.payer();
    const asked = network.answer({ promptIds: ids(150), maxTokens: 120, payer });
    await assert.rejects(asked, { code: 'deadline' });
    assert.ok(isStuck);
    const { ask } = network.terms;
    // Per hop: a chunk of the prompt, or 32 positions of the answer.
    const batch = 2n * BigInt(Math.max(64 * Number(ask.prompt), limits.outputBatch * Number(ask.output)));
    const worked = network.hops.reduce((sum, { positions }, index) => {
      const all = index === 1 ? Math.min(positions(), after) : positions();
      const work = { promptPositions: Math.min(150, all), outputPositions: Math.max(0, all - 150) };
      return sum + hopPrice({ layers: 2, ask }, work);
    }, 0n);
    assert.ok(payer.total - worked <= 3n * batch, `${payer.total - worked} wei are lost after ${after} positions`);
  }
});

test('[PY8] sessions of one key at the same time are each paid in full, and nothing is paid twice', async () => {
  for (const seed of [1, 2, 3]) {
    const network = await PaidNetwork.create(seed);
    const payer = network.payer();
    const lengths = [3, 70, 140, 20, 9, 65];
    const all = await network.wires.until(
      Promise.all(lengths.map((length, index) => collect(network.ask({ promptIds: ids(length), maxTokens: 40 - index, payer })))),
    );
    await network.wires.settle();
    const total = all.reduce((sum, events) => sum + (done(events) as Extract<AskEvent, { type: 'done' }>).paid!.price.total, 0n);
    assert.equal(payer.total, total, 'everything promised was used');
    let earned = 0n;
    for (const hop of network.hops) {
      assert.equal(hop.earned.length, lengths.length);
      const newest = hop.earned.reduce((most, { payment }) => {
        const amount = promisedTo(payment, hop.metering.account);
        return amount > most ? amount : most;
      }, 0n);
      assert.equal(
        newest,
        hop.earned.reduce((sum, { receipt }) => sum + receipt.receipt.amount, 0n),
      );
      earned += newest;
    }
    assert.equal(earned, total);
    assert.equal(await network.end(), 0);
  }
});

test('[PY9] what an answer that ended early did not use counts for the next one', async () => {
  const network = await PaidNetwork.create(5);
  const payer = network.payer();
  const whole = await network.answer({ payer, maxTokens: 30 });
  const stopId = tokens(whole)[2]!;
  const before = payer.total;
  const short = await network.answer({ payer, maxTokens: 30, stopIds: [stopId] });
  assert.equal((done(short) as { reason: string }).reason, 'stop');
  const used = (done(short) as Extract<AskEvent, { type: 'done' }>).paid!.price.total;
  assert.ok(payer.total - before > used, 'more was promised than used');
  const again = await network.answer({ payer, maxTokens: 30, stopIds: [stopId] });
  assert.equal(
    payer.total - before,
    (done(again) as Extract<AskEvent, { type: 'done' }>).paid!.price.total + (payer.total - before - used),
  );
  const promised = payer.total;
  await network.answer({ payer, maxTokens: 2 });
  assert.ok(payer.total - promised < used, 'the rest was used up first');
});

test('[PY9] an asker that breaks off is told by the last receipts what it used', async () => {
  const network = await PaidNetwork.create(6);
  const payer = network.payer();
  const abort = new AbortController();
  const events: AskEvent[] = [];
  const asked = (async () => {
    for await (const event of network.ask({ payer, maxTokens: 100, signal: abort.signal })) {
      events.push(event);
      if (tokens(events).length === 5) abort.abort();
    }
  })();
  await assert.rejects(network.wires.until(asked), { code: 'cancelled' });
  assert.equal(await network.end(), 0);
  const used = network.hops.reduce((sum, { earned }) => sum + earned[0]!.receipt.receipt.amount, 0n);
  assert.ok(payer.total > used);
  const before = payer.total;
  const next = await network.answer({ payer, maxTokens: 2 });
  const price = (done(next) as Extract<AskEvent, { type: 'done' }>).paid!.price.total;
  assert.equal(payer.total, before > used + price ? before : used + price);
});

const lies: [string, (receipt: ReceiptMessage['receipt']) => Partial<ReceiptMessage['receipt']>][] = [
  ['a higher price', ({ amount }) => ({ amount: amount + 1n })],
  ['more work', ({ promptPositions, amount }) => ({ promptPositions: promptPositions + 1, amount: amount + 2000n })],
  ['the work of another session', () => ({ session: `0x${newSession().padEnd(64, '0')}` })],
  ['other tokens', () => ({ commitment: `0x${'12'.repeat(32)}` })],
  ['another account', () => ({ account: address(9) })],
  ['other layers', () => ({ fromLayer: 0, toLayer: 4 })],
];
for (const [lie, change] of lies) {
  test(`[PY6] a hop that signs for ${lie} ends the session with bad_message and gets no more`, async () => {
    const network = await PaidNetwork.create(1);
    const { openOrder } = network.ports;
    const liar = network.hops[1]!;
    // The lie is signed by the hop's own key: what is wrong is what it says.
    network.ports.openOrder = (peer, handlers) =>
      openOrder.call(network.ports, peer, {
        ...handlers,
        onMessage: (text) => {
          const message = JSON.parse(text);
          if (message.type !== 'receipt' || peer !== liar.provider.peer) return handlers.onMessage(text);
          const honest = { ...message.signed.receipt, amount: BigInt(message.signed.receipt.amount) };
          void forge(network, liar.key, { ...honest, ...change(honest) }).then((signed) =>
            network.wires.post(`lie ${peer}`, () => handlers.onMessage(JSON.stringify({ ...message, signed }))),
          );
        },
      });
    const payer = network.payer();
    await assert.rejects(network.answer({ payer, maxTokens: 60 }), { code: 'bad_message' });
    const paidToLiar = network.hops[1]!.earned.map(({ payment }) => promisedTo(payment, liar.metering.account));
    assert.ok(
      paidToLiar.every((amount) => amount <= 2n * 5n * 1000n),
      'the first batch and no more',
    );
  });
}

async function forge(network: PaidNetwork, key: PaidNetwork['hops'][0]['key'], receipt: ReceiptMessage['receipt']) {
  const { signReceipt } = await import('../../shared/receipts/device-signature.ts');
  const signed = await signReceipt(network.terms, receipt, key);
  return { ...signed, receipt: { ...signed.receipt, amount: receipt.amount.toString() } };
}

test('[PY2] a hop whose asker offers less than it asks refuses, naming its price', async () => {
  const network = await PaidNetwork.create(1, [{}, { ask: { prompt: 1000n, output: 5000n } }, {}]);
  const { match } = network.ports;
  network.ports.match = async (request) => {
    const route = await match.call(network.ports, request);
    return { ...route, hops: route.hops.map((hop) => ({ ...hop, ask: network.terms.ask })) };
  };
  await assert.rejects(network.answer(), { code: 'payment_required', message: /1000 wei .* 5000/ });
  assert.equal(await network.end(), 0);
});

test('[PY2] a hop that asks for nothing works unpaid beside hops that are paid', async () => {
  const network = await PaidNetwork.create(1, [{}, { ask: { prompt: 0n, output: 0n } }, {}]);
  const events = await network.answer();
  const { paid } = done(events) as Extract<AskEvent, { type: 'done' }>;
  assert.deepEqual(paid!.price.hops, [28_006n, 0n, 28_006n]);
  assert.deepEqual(
    network.hops.map(({ earned }) => earned.length),
    [1, 0, 1],
  );
});

test('[PY2] a key that is not authorized, or no more, opens no session', async () => {
  for (const state of [{ cap: 0n }, { expiry: 1000 }, { closed: true }, { cap: 5n, spent: 5n }]) {
    const network = await PaidNetwork.create(1);
    network.chain.authorize(payerAddress, network.sessionKey.address, state);
    await assert.rejects(network.answer(), { code: 'payment_required' });
    assert.deepEqual(
      network.hops.map(({ positions }) => positions()),
      [0, 0, 0],
    );
  }
});

test('[PY2] while the chain does not answer, no paid session begins', async () => {
  const network = await PaidNetwork.create(1);
  network.chain.isDown = true;
  await assert.rejects(network.answer(), { code: 'chain_unavailable' });
  network.chain.isDown = false;
  assert.equal(tokens(await network.answer()).length, 4);
  assert.ok(network.chain.reads <= 6, 'the chain is asked once per hop and not for every voucher');
});

test('[PY8] a payer promises no more than its cap, over all sessions', async () => {
  const network = await PaidNetwork.create(1);
  const payer = network.payer({ cap: 200_000n, bound: 100_000n });
  await network.answer({ payer });
  await network.answer({ payer });
  await assert.rejects(network.answer({ payer }), { code: 'payment_required', message: /used up/ });
  assert.ok(payer.total <= 200_000n);
  assert.equal(await network.end(), 0);
});
