import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VesselError } from '../../shared/protocol/errors.ts';
import { limits } from '../../shared/protocol/limits.ts';
import { Leases } from './leases.ts';

const request = (session: string, ids: string[], rest: { asker?: string; slots?: number } = {}) => ({
  session,
  asker: rest.asker ?? 'asker',
  model: 'm',
  hops: ids.map((providerId) => ({ providerId, slots: rest.slots ?? 2 })),
});
const code = (expected: string) => (thrown: unknown) => thrown instanceof VesselError && thrown.code === expected;

test('a lease is taken on every hop or on none', () => {
  const leases = new Leases();
  leases.reserve(request('s1', ['a'], { slots: 1 }), 0);
  assert.throws(() => leases.reserve(request('s2', ['b', 'a'], { slots: 1 }), 0), code('provider_busy'));
  assert.equal(leases.used('b'), 0);
  leases.release('s1');
  leases.reserve(request('s2', ['b', 'a'], { slots: 1 }), 0);
  assert.deepEqual([leases.used('a'), leases.used('b'), leases.heldBy('asker'), leases.size], [1, 1, 1, 1]);
});

test('a provider without slots is busy, and a session or a provider comes once', () => {
  const leases = new Leases();
  assert.throws(() => leases.reserve(request('s', ['a'], { slots: 0 }), 0), code('provider_busy'));
  assert.throws(() => leases.reserve(request('s', ['a', 'a']), 0), code('bad_request'));
  leases.reserve(request('s', ['a']), 0);
  assert.throws(() => leases.reserve(request('s', ['b']), 0), code('bad_request'));
});

test('one asker cannot take all of a provider', () => {
  const leases = new Leases();
  const many = { slots: limits.maxSessionsPerProvider };
  for (let i = 0; i < limits.maxSessionsPerAsker; i++) leases.reserve(request(`s${i}`, ['a'], many), 0);
  assert.throws(() => leases.reserve(request('more', ['a'], many), 0), code('rate_limited'));
  leases.reserve(request('other', ['a'], { ...many, asker: 'somebody else' }), 0);
});

test('silence frees everything a session held, renewal keeps it', () => {
  const leases = new Leases();
  leases.reserve(request('quiet', ['a', 'b']), 0);
  leases.reserve(request('busy', ['a', 'b']), 0);
  assert.equal(leases.renew('busy', limits.sessionLeaseMs - 1), true);
  assert.deepEqual(leases.expire(limits.sessionLeaseMs - 1), []);
  assert.deepEqual(
    leases.expire(limits.sessionLeaseMs).map((lease) => lease.session),
    ['quiet'],
  );
  assert.deepEqual([leases.used('a'), leases.used('b'), leases.sessionsOn('a')], [1, 1, ['busy']]);
  assert.equal(leases.renew('quiet', limits.sessionLeaseMs), false);
  assert.equal(leases.renew('busy', 10 * limits.sessionLeaseMs), false, 'a lease that is over cannot be renewed');
});

test('a session moves to other hops; a move that cannot be changes nothing', () => {
  const leases = new Leases();
  leases.reserve(request('s', ['a', 'b']), 0);
  leases.reserve(request('t', ['full'], { slots: 1 }), 0);
  assert.throws(() => leases.move(request('s', ['a', 'full'], { slots: 1 }), 0), code('provider_busy'));
  assert.throws(() => leases.move({ ...request('s', ['a', 'c']), asker: 'another' }, 0), code('forbidden'));
  assert.deepEqual(leases.get('s')!.providerIds, ['a', 'b']);
  leases.move(request('s', ['a', 'c'], { slots: 1 }), 0);
  assert.deepEqual(leases.get('s')!.providerIds, ['a', 'c']);
  assert.deepEqual([leases.used('b'), leases.used('c')], [0, 1]);
  leases.move(request('unknown', ['d']), 0);
  assert.equal(leases.used('d'), 1, 'after a restart of the relay its asker brings a session back');
});

test('[FO8] a session goes on with other hops only so often: rebuilding is unpaid', () => {
  const leases = new Leases();
  leases.reserve(request('s', ['a']), 0);
  for (let moved = 0; moved < limits.maxFailovers; moved++) leases.move(request('s', [moved % 2 === 0 ? 'b' : 'a']), 0);
  assert.throws(() => leases.move(request('s', ['c']), 0), code('rate_limited'));
  assert.deepEqual(leases.get('s')!.providerIds, ['a']);
});

test('counts always equal the leases there are', () => {
  const step = fc.record({
    kind: fc.constantFrom('reserve', 'reserve', 'release', 'renew', 'move', 'expire'),
    session: fc.integer({ min: 0, max: 5 }).map(String),
    ids: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 3 }),
    passMs: fc.integer({ min: 0, max: limits.sessionLeaseMs }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const leases = new Leases();
      let nowMs = 0;
      for (const { kind, session, ids, passMs } of steps) {
        nowMs += passMs;
        try {
          if (kind === 'reserve') leases.reserve(request(session, ids), nowMs);
          if (kind === 'release') leases.release(session);
          if (kind === 'renew') leases.renew(session, nowMs);
          if (kind === 'move') leases.move(request(session, ids), nowMs);
          if (kind === 'expire') leases.expire(nowMs);
        } catch (thrown) {
          assert.ok(thrown instanceof VesselError);
        }
        const open = Array.from({ length: 6 }, (_, index) => leases.get(String(index))).filter((lease) => lease !== undefined);
        assert.equal(leases.size, open.length);
        assert.equal(leases.heldBy('asker'), open.length);
        for (const id of ['a', 'b', 'c', 'd']) {
          assert.equal(leases.used(id), open.filter((lease) => lease.providerIds.includes(id)).length);
          assert.ok(leases.used(id) <= 2);
        }
      }
    }),
  );
});
