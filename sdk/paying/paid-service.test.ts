/** Services that are paid for, over the real provider core and the real asker, on fake wires that deliver in any order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { MemoryVoucherStore } from '../../provider/metering/memory-voucher-store.ts';
import { Metering } from '../../provider/metering/metering.ts';
import type { Earned } from '../../provider/metering/metering-ports.ts';
import type { HeldShard } from '../../provider/provider-ports.ts';
import type { GraphService, GraphSession } from '../../provider/services/service-runtime.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import type { PaymentMessage, ReceiptMessage } from '../../shared/protocol/payment-types.ts';
import type { AskPayer } from '../../shared/receipts/ask-payer.ts';
import { signReceipt } from '../../shared/receipts/device-signature.ts';
import { meteredService, mostPositions, type ServiceMeter, type ServiceType } from '../../shared/services/service-type.ts';
import { address, FakeChain, networkTerms } from '../../testing/fake-chain.ts';
import { FakeAskPorts, FakeWires } from '../../testing/fake-links.ts';
import { pendingCrypto } from '../../testing/pending-crypto.ts';
import { deviceKey, generateKeyPair } from '../net/device-key.ts';
import { OrderPool } from '../order-pool.ts';
import { ServiceSession } from '../service-session.ts';
import { newSessionKey } from './session-key.ts';
import { VoucherPayer, type VoucherPayerOptions } from './voucher-payer.ts';

const model = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
const payerAddress = address(0xaa);

/** Counts the ones among its bytes: at most all of them. */
const ones: ServiceType<{ limit: number }, { bad?: boolean | undefined }, { ones: number; sum: number }> = {
  name: 'ones',
  settings: z.strictObject({ limit: z.number().default(1000) }),
  order: z.strictObject({ bad: z.boolean().optional() }),
  result: z.strictObject({ ones: z.number().int(), sum: z.number().int() }),
  maxInputBytes: 100_000,
  unit: 'one',
  positionsPerUnit: 3,
  streaming: true,
  checkGraph() {},
  mostUnits: (_order, inputBytes, { limit }) => Math.min(limit, inputBytes),
  meter: (_order, result) => ({ unit: 'one', amount: result.ones }),
};
const metered = meteredService(ones, {});

class OnesService implements GraphService {
  readonly service = 'ones';
  readonly backend = 'wasm';
  readonly streaming = true;
  /** Positions worked on so far. */
  positions = 0;
  open = 0;
  /** What it adds to its count: a provider that overstates. */
  added = 0;
  onRun: () => Promise<void> = async () => {};

  mostPositions(order: unknown, inputBytes: number): number {
    return mostPositions(metered, order, inputBytes);
  }

  positionsOf({ amount }: ServiceMeter): number {
    return 3 * amount;
  }

  openSession(): GraphSession {
    let sum = 0;
    this.open++;
    return {
      run: async (order, input) => {
        await this.onRun();
        if ((order as { bad?: boolean }).bad) throw new VesselError('bad_output', 'It does not like this.');
        const count = input.filter((byte) => byte === 1).length + this.added;
        sum += count;
        this.positions += 3 * count;
        return { result: { ones: count, sum }, meter: { unit: 'one', amount: count } };
      },
      close: () => {
        this.open--;
      },
    };
  }

  async dispose(): Promise<void> {}
}

async function network(seed = 1) {
  const wires = new FakeWires(seed);
  wires.isBusy = pendingCrypto;
  const chain = new FakeChain();
  const terms = networkTerms();
  const key = await deviceKey(await generateKeyPair());
  const metering = new Metering({
    signer: key,
    clock: wires.clock,
    unixSeconds: () => wires.time.nowMs / 1000,
    coverage: chain,
    store: new MemoryVoucherStore(),
  });
  metering.terms = terms;
  const earned: Earned[] = [];
  metering.onEarned = (one) => earned.push(one);
  const service = new OnesService();
  const graph = { cid: model, bytes: 1, leaves: [] };
  const base = {
    format: 'vessel-model/1',
    kind: 'graph',
    name: 'ones',
    service: 'ones',
    graph,
    settings: {},
    source: '',
  } as const;
  const load = async (ref: HeldShard['ref']): Promise<HeldShard> => ({ kind: 'graph', ref, manifest: base, service, bytes: 1 });
  const hop = wires.addProvider('hop', [], { load, metering });
  hop.core.assign([{ model, from: 0, to: 1 }]);
  await wires.settle();
  const ports = new FakeAskPorts(wires, 'asker', () => [{ provider: hop, from: 0, to: 1 }]);
  ports.terms = terms;
  ports.shares = [{ account: address(0xb1), basisPoints: 1000 }];
  const pool = new OrderPool(ports);
  const { privateKey, address: sessionKey } = newSessionKey();
  chain.authorize(payerAddress, sessionKey);
  const payer = (rest: Partial<VoucherPayerOptions> = {}) =>
    new VoucherPayer({ sessionKey: privateKey, payer: payerAddress, place: terms, cap: 10n ** 18n, ...rest });
  const open = (paying: AskPayer | null, maxPrice?: bigint) =>
    wires.until(ServiceSession.open(ports, pool, { model, payer: paying, maxPrice, metered: () => metered }));
  /** Ends everything; returns what is left, which should be none. */
  const end = async () => {
    await wires.wait(limits.settleWaitMs + 1000);
    return hop.core.status().sessions + service.open + ports.open.size + wires.time.waiting;
  };
  return { wires, hop, ports, pool, metering, earned, service, terms, key, payer, open, end };
}

const promisedTo = (payment: PaymentMessage, account: string) =>
  payment.kind === 'voucher' ? payment.voucher.payments.find(({ payee }) => payee === account)!.cumulative : 0n;
const bytes = (count: number, ones: number) => Uint8Array.from({ length: count }, (_, index) => (index < ones ? 1 : 2));

for (const seed of [1, 2, 3, 4, 5]) {
  test(`[PY14] orders are promised one by one at their most and charged as metered, to the wei (seed ${seed})`, async () => {
    const { wires, open, payer, earned, metering, service, end } = await network(seed);
    const paying = payer();
    const session = await open(paying);
    assert.equal(session.quote({}, 40), 40n * 3n * 1000n + 12_000n);
    const pieces: [number, number][] = [
      [40, 7],
      [0, 0],
      [100, 100],
      [10, 0],
      [30, 1],
    ];
    const answers = await wires.until(Promise.all(pieces.map(([count, ones]) => session.run({}, bytes(count, ones)))));
    assert.deepEqual(
      answers.map(({ meter }) => meter.amount),
      [7, 0, 100, 0, 1],
    );
    const paid = await wires.until(session.close());
    const compute = 108n * 3n * 1000n;
    assert.deepEqual(paid!.price, { hops: [compute], shares: [compute / 10n], total: compute + compute / 10n });
    assert.match(paid!.receipt, /^0x[0-9a-f]{64}$/);
    await wires.settle();
    assert.equal(await end(), 0);
    assert.equal(service.positions, 324);
    assert.equal(earned.length, 1);
    const { receipt } = earned[0]!.receipt;
    assert.deepEqual([receipt.promptPositions, receipt.outputPositions, receipt.amount], [324, 0, compute]);
    assert.equal(promisedTo(earned[0]!.payment, metering.account), compute, 'settled for what was used');
    // At no time more than the order at hand.
    assert.ok(paying.total <= paid!.price.total + (100n * 3n * 1000n * 11n) / 10n);
  });
}

test('[PY14] a provider that takes the money and does not work was promised one order, of two hundred that were sent', async () => {
  const { wires, open, payer, service, end } = await network();
  const paying = payer();
  const session = await open(paying);
  service.onRun = () => new Promise(() => {});
  const sent = Promise.allSettled(Array.from({ length: 200 }, () => session.run({}, bytes(50, 50))));
  await wires.wait(limits.payWaitMs + 1000);
  assert.equal(paying.total, (50n * 3n * 1000n * 11n) / 10n);
  await wires.until(session.close());
  for (const outcome of await sent) assert.equal(outcome.status, 'rejected');
  service.open = 0;
  assert.equal(await end(), 0);
});

test('[PY14] an order that is refused costs nothing, and the session goes on', async () => {
  const { wires, open, payer, end } = await network(2);
  const session = await open(payer());
  const [first, refused, odd, last] = await wires.until(
    Promise.allSettled([
      session.run({}, bytes(20, 20)),
      session.run({ bad: true }, bytes(20, 20)),
      session.run({ format: 'png' }, bytes(20, 20)),
      session.run({}, bytes(20, 5)),
    ]),
  );
  assert.deepEqual([first?.status, last?.status], ['fulfilled', 'fulfilled']);
  assert.ok(refused?.status === 'rejected' && refused.reason.code === 'bad_output');
  assert.ok(odd?.status === 'rejected' && odd.reason.code === 'bad_request');
  const paid = await wires.until(session.close());
  assert.deepEqual(paid!.price.hops, [25n * 3n * 1000n]);
  assert.equal(await end(), 0);
});

test('[PY14] an asker that does not pay gets no order worked off, and the session ends', async () => {
  const { wires, open, payer, service, end } = await network();
  const real = payer();
  const miser: AskPayer = { source: real.source, bound: real.bound, pay: async () => new Map(), end: async () => new Map() };
  const session = await open(miser);
  await assert.rejects(wires.until(session.run({}, bytes(10, 10))), { code: 'payment_required' });
  assert.equal(service.positions, 0);
  await wires.until(session.close());
  assert.equal(await end(), 0);
});

test('[PY3] nobody who pays, or an order beyond what there is, is refused before it is sent, with the price', async () => {
  const { wires, open, payer, ports, end } = await network();
  await assert.rejects(open(null), { code: 'payment_required', message: /0\.\d+ AIC for 1,000 one/ });
  assert.equal(ports.orders.length, 0);
  const session = await open(payer(), 50n * 3n * 1000n);
  await assert.rejects(wires.until(session.run({}, bytes(50, 1))), { code: 'payment_required', message: /up to 0\.\d+ AIC/ });
  await wires.until(session.run({}, bytes(40, 1)));
  assert.equal((await wires.until(session.close()))!.price.total, 3300n);
  assert.equal(await end(), 0);
});

const lies: [string, (receipt: ReceiptMessage['receipt']) => Partial<ReceiptMessage['receipt']>][] = [
  ['a higher price', ({ amount }) => ({ amount: amount + 1n })],
  ['more positions', ({ amount }) => ({ promptPositions: 15, amount: (amount / 12n) * 15n })],
  ['other orders', () => ({ commitment: `0x${'12'.repeat(32)}` })],
];
for (const [lie, change] of lies) {
  test(`[PY6] a service that signs for ${lie} ends the session with bad_message and gets no more`, async () => {
    const { wires, open, payer, ports, terms, key, end } = await network();
    const { openOrder } = ports;
    ports.openOrder = (peer, handlers) =>
      openOrder.call(ports, peer, {
        ...handlers,
        onMessage: (text) => {
          const message = JSON.parse(text);
          if (message.type !== 'receipt') return handlers.onMessage(text);
          const honest = { ...message.signed.receipt, amount: BigInt(message.signed.receipt.amount) };
          void signReceipt(terms, { ...honest, ...change(honest) }, key).then((signed) => {
            const receipt = { ...signed.receipt, amount: signed.receipt.amount.toString() };
            wires.post('lie', () => handlers.onMessage(JSON.stringify({ ...message, signed: { ...signed, receipt } })));
          });
        },
      });
    const paying = payer();
    const session = await open(paying);
    await wires.until(session.run({}, bytes(10, 4)));
    const promised = paying.total;
    await assert.rejects(wires.until(session.run({}, bytes(10, 4))), { code: 'bad_message' });
    assert.equal(paying.total, promised, 'nothing more is promised');
    assert.equal(await wires.until(session.close()), null);
    assert.equal(await end(), 0);
  });
}

test('[PY6] a result of more work than the order can be ends the session with bad_output', async () => {
  const { wires, open, payer, service, end } = await network();
  service.added = 7;
  const session = await open(payer());
  await assert.rejects(wires.until(session.run({}, bytes(10, 4))), { code: 'bad_output' });
  await wires.until(session.close());
  assert.equal(await end(), 0);
});

test('[PY8] [PY9] sessions of one key share their promises: what one did not use pays for the next', async () => {
  const { wires, open, payer, earned, metering, end } = await network(3);
  const paying = payer();
  let total = 0n;
  for (let round = 0; round < 3; round++) {
    const sessions = await Promise.all([open(paying), open(paying)]);
    await wires.until(Promise.all(sessions.map((session, index) => session.run({}, bytes(30, 5 + index)))));
    for (const session of sessions) total += (await wires.until(session.close()))!.price.total;
    await wires.settle();
  }
  assert.ok(paying.total < total + 200_000n);
  assert.equal(await end(), 0);
  // The last session to end settles for exactly what all of them used.
  const newest = promisedTo(earned.at(-1)!.payment, metering.account);
  assert.equal((newest * 11n) / 10n, total);
});
