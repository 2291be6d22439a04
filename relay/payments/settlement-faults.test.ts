/** The chain fails at every single question that settlement asks it. A real node; the faults are in the way to it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { VesselError } from '../../shared/protocol/errors.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { type ChainFault, FaultyNode, faultyConfirmations } from '../../testing/faulty-node.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { MoneyWorld } from '../../testing/money-world.ts';
import { type Heard, isAnythingLeft, lifeSteps, requireSettled } from '../../testing/settlement-life.ts';

/** Questions that go well between two faults: long enough to have recovered. The long tier has one fault a life. */
const gap = process.env.VESSEL_SOAK === '1' ? Number.POSITIVE_INFINITY : 8;
const retryMs = 5;
const maxTries = 500;
const maxTicks = 200;

describe('settlement on a chain that fails', { skip: skipWithoutAnvil }, () => {
  let world: MoneyWorld;
  before(async () => {
    world = await MoneyWorld.open();
  });
  after(() => world?.close());

  /** Asks again for as long as the answer is that the chain is not there. */
  async function insist<T>(act: () => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof VesselError) || error.code !== 'chain_unavailable' || tried === maxTries) throw error;
        await pause(retryMs);
      }
    }
  }

  /** One life to its end, however often something fails. Returns how many faults it met. */
  async function live(fault: ChainFault, met: Set<string>): Promise<number> {
    await world.restart();
    const node = new FaultyNode(world.network.relayChain.rpcUrl, fault, met, gap);
    const ledger = new MemoryLedger();
    const heard: Heard = { credits: new Map() };
    node.step = 'open';
    const way = { client: node.client, confirmations: faultyConfirmations };
    const { payments, stop } = await insist(() => world.relay(ledger, {}, undefined, way));
    for (const [index, step] of lifeSteps(world, heard).entries()) {
      node.step = `step ${index}`;
      await insist(() => step.run(payments));
    }
    // What was seen in a block that is gone again is looked at by the next tick; the clock would bring them.
    node.step = 'after';
    for (let tick = 0; tick < maxTicks && (await isAnythingLeft(world, ledger)); tick += 1) {
      await insist(() => payments.advance());
      await pause(retryMs);
    }
    await stop();
    await requireSettled(world, ledger, heard);
    return node.faults;
  }

  async function walk(fault: ChainFault): Promise<{ lives: number; faults: number }> {
    const met = new Set<string>();
    for (let lives = 0; ; lives += 1) {
      const before = [...met];
      try {
        if ((await live(fault, met)) === 0) return { lives, faults: met.size };
      } catch (cause) {
        throw new Error(`${fault} at: ${[...met].slice(before.length).join(', ')}`, { cause });
      }
    }
  }

  for (const [fault, claim] of [
    ['down', 'the chain is down for a while at every question'],
    ['unheard', 'every answer of the chain is lost once'],
    ['reorganised', 'the newest blocks are reorganised away at every question'],
    ['dropped', 'every transaction is dropped from the pool once'],
    ['orphaned', 'the block of every transaction is reorganised away once'],
  ] as const)
    test(`${claim}: nothing is lost, nothing is paid twice, the books check`, async (t) => {
      const { lives, faults } = await walk(fault);
      t.diagnostic(`${faults} faults in ${lives} lives`);
      assert.ok(faults > 0);
    });
});
