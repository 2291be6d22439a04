import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OrderPool } from '../sdk/order-pool.ts';
import { ServiceSession } from '../sdk/service-session.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import type { ServiceMeter } from '../shared/services/service-type.ts';
import { FakeAskPorts, type FakeProvider, FakeWires, ManualAsker, newSession, peerName } from '../testing/fake-links.ts';
import type { HeldShard } from './provider-ports.ts';
import type { GraphService, GraphSession } from './services/service-runtime.ts';

const model = `b${'g'.repeat(58)}`;
const noMeter = () => Promise.reject(new Error('A free session is not metered.'));

/** Adds up the bytes it gets, over all orders of a session. */
class SumService implements GraphService {
  readonly service = 'sum';
  readonly backend = 'wasm';
  readonly streaming = true;
  open = 0;
  fault: VesselError | null = null;

  mostPositions(_order: unknown, inputBytes: number): number {
    return inputBytes;
  }

  positionsOf({ amount }: ServiceMeter): number {
    return amount;
  }

  openSession(): GraphSession {
    let sum = 0;
    let isOpen = true;
    this.open++;
    return {
      run: async (order, input) => {
        if (this.fault) throw this.fault;
        if (typeof order !== 'object' || order === null || 'bad' in order) throw new VesselError('bad_request', 'No such order.');
        for (const byte of input) sum += byte;
        return { result: { sum }, meter: { unit: 'byte', amount: input.byteLength } };
      },
      close: () => {
        if (isOpen) this.open--;
        isOpen = false;
      },
    };
  }

  async dispose(): Promise<void> {}
}

async function network() {
  const wires = new FakeWires();
  const services: SumService[] = [];
  const load = async (ref: HeldShard['ref']): Promise<HeldShard> => {
    const service = new SumService();
    services.push(service);
    const graph = { cid: model, bytes: 1, leaves: [] };
    const manifest = {
      format: 'vessel-model/1',
      kind: 'graph',
      name: 'sum',
      service: 'sum',
      graph,
      settings: {},
      source: '',
    } as const;
    return { kind: 'graph', ref, manifest, service, bytes: 1 };
  };
  const hop = wires.addProvider('hop', [], { load });
  hop.core.assign([{ model, from: 0, to: 1 }]);
  await wires.settle();
  const asker = new ManualAsker(wires, 'asker', hop);
  return { wires, hop, asker, services };
}

function announce(hop: FakeProvider, session: string, asker = 'asker'): void {
  hop.core.lease({ session, asker: peerName(asker), model, from: 0, to: 1, capacity: 1 });
}

test('[OR17] orders of a service session run in turn on its own state; results say what was done and where', async () => {
  const { wires, hop, asker, services } = await network();
  const session = newSession();
  announce(hop, session);
  asker.send({ type: 'service-open', version: protocolVersion, session, model });
  asker.send({ type: 'service-run', session, run: 0, order: {}, bytes: 2 }, Uint8Array.of(3, 4));
  asker.send({ type: 'service-run', session, run: 1, order: {}, bytes: 0 });
  await wires.settle();
  assert.deepEqual(asker.story, ['opened', 'service-result', 'service-result']);
  const meter = { unit: 'byte', amount: 2 };
  assert.deepEqual(asker.received[1], { type: 'service-result', session, run: 0, result: { sum: 7 }, meter, backend: 'wasm' });
  asker.send({ type: 'close', session });
  await wires.settle();
  assert.equal(asker.story.at(-1), 'closed');
  assert.equal(services[0]!.open, 0);
  assert.equal(hop.core.status().sessions, 0);
});

test('[OR17] an order that is refused is named, and the session goes on', async () => {
  const { wires, hop, asker } = await network();
  const session = newSession();
  announce(hop, session);
  asker.send({ type: 'service-open', version: protocolVersion, session, model });
  asker.send({ type: 'service-run', session, run: 5, order: { bad: true }, bytes: 0 });
  asker.send({ type: 'service-run', session, run: 6, order: {}, bytes: 1 }, Uint8Array.of(9));
  await wires.settle();
  assert.deepEqual(asker.story, ['opened', 'bad_request', 'service-result']);
  assert.equal(asker.received[1]?.type === 'refused' && asker.received[1].run, 5);
});

test('[OR18] an attachment of another length than announced is refused', async () => {
  const { wires, hop, asker } = await network();
  const session = newSession();
  announce(hop, session);
  asker.send({ type: 'service-open', version: protocolVersion, session, model });
  asker.send({ type: 'service-run', session, run: 0, order: {}, bytes: 3 }, Uint8Array.of(3, 4));
  asker.send({ type: 'service-run', session, run: 1, order: {}, bytes: 3 });
  await wires.settle();
  assert.deepEqual(asker.story, ['opened', 'bad_message', 'bad_message']);
});

test('[PV2] [LE1] [OR7] [OR8] service-open keeps the rules of open', async () => {
  const { wires, hop, asker } = await network();
  const open = (session: string, rest: object = {}) =>
    asker.send({ type: 'service-open', version: protocolVersion, session, model, ...rest });
  const [versioned, strange, unheld, twice] = [newSession(), newSession(), newSession(), newSession()];
  open(versioned, { version: 2 });
  announce(hop, strange, 'other');
  open(strange);
  const unknown = `b${'h'.repeat(58)}`;
  hop.core.lease({ session: unheld, asker: peerName('asker'), model: unknown, from: 0, to: 1, capacity: 1 });
  open(unheld, { model: unknown });
  announce(hop, twice);
  open(twice);
  await wires.settle();
  open(twice);
  await wires.settle();
  assert.deepEqual(asker.story, ['version_mismatch', 'no_lease', 'provider_lost', 'opened', 'bad_message']);
});

test('[OR15] [LE5] [LE6] service sessions end with their stream, by silence and by release', async () => {
  const { wires, hop, asker, services } = await network();
  const sessions = [newSession(), newSession(), newSession()] as const;
  for (const session of sessions) {
    announce(hop, session);
    asker.send({ type: 'service-open', version: protocolVersion, session, model });
  }
  await wires.settle();
  hop.core.release(sessions[0]);
  assert.equal(hop.core.status().sessions, 2);
  await wires.wait(limits.sessionLeaseMs - 1000);
  asker.send({ type: 'service-run', session: sessions[1], run: 0, order: {}, bytes: 0 });
  await wires.wait(2000);
  assert.equal(asker.story.at(-1), 'lease_expired');
  const late = newSession();
  asker.send({ type: 'service-open', version: protocolVersion, session: late, model });
  await wires.settle();
  asker.order.close();
  await wires.settle();
  announce(hop, late);
  await wires.settle();
  assert.equal(hop.core.status().sessions, 0);
  assert.equal(services[0]!.open, 0);
});

test('[OR24] a device lost under a graph ends its sessions and loads the graph again', async () => {
  const { wires, hop, services } = await network();
  const ports = new FakeAskPorts(wires, 'sdk', () => [{ provider: hop, from: 0, to: 1 }]);
  const session = await wires.until(ServiceSession.open(ports, new OrderPool(ports), { model, metered: noMeter }));
  services[0]!.fault = new VesselError('device_lost');
  await assert.rejects(wires.until(session.run({}, new Uint8Array(1))), (error: VesselError) => error.retry);
  await wires.settle();
  assert.equal(services.length, 2);
  assert.equal(hop.core.status().sessions, 0);
  session.close();
  await wires.settle();
  assert.equal(ports.open.size, 0);
  assert.equal(wires.time.waiting, 0);
});
