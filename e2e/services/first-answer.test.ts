/** `vessel start`, as a stranger runs it: the first paid answer pays the owner of the model, and so does the first picture. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MemoryVoucherStore } from '../../provider/metering/memory-voucher-store.ts';
import { NodeProvider } from '../../relay/provide/node-provider.ts';
import { deviceKey, generateKeyPair } from '../../sdk/net/device-key.ts';
import { skipWithoutAnvil } from '../../testing/chain-under-test.ts';
import { endWebRtc } from '../../testing/end-webrtc.ts';
import { fixtureBytes } from '../../testing/fixture-file.ts';
import { VesselProcess } from '../harness/vessel-process.ts';
import { until } from './service-network.ts';

after(endWebRtc);

async function started(env: Record<string, string> = {}) {
  const vessel = new VesselProcess(['start', '--port', '0', '--tabs', '0'], env);
  await vessel.until('it is running', ({ stdout }) => stdout.includes('Ctrl-C ends everything'));
  const url = /page +(http:\S+)/.exec(vessel.stdout)![1]!;
  const [, key] = /authorization: Bearer (vsl_\S+)'/.exec(vessel.stdout)!;
  const api = async (path: string, body?: unknown) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
    const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${url}/v1${path}`, { headers, ...post });
    const json = await response.json();
    assert.ok(response.ok, JSON.stringify(json));
    return json;
  };
  return { vessel, url, api };
}

test('the model that comes along has an owner, who earns with the first answer; a restart enters nothing again', {
  skip: skipWithoutAnvil,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vessel-first-'));
  const providers: NodeProvider[] = [];
  const first = await started();
  try {
    const { data } = await first.api('/models');
    const { listing, cid } = data.find(({ id }: { id: string }) => id === 'vessel-tiny').vessel;
    assert.partialDeepStrictEqual(listing, { asset: '1', royalty: 1000, network_fee: 500, version: 1, active: true });
    const services = (await first.api('/services')).data;
    for (const { id, vessel } of services) {
      assert.deepEqual([vessel.listing.owner, vessel.listing.royalty], [listing.owner, 1000], id);
      assert.match(vessel.price, /^[1-9][0-9]*$/);
    }

    for (const name of ['one', 'two']) {
      providers.push(
        await NodeProvider.start({
          relayUrl: first.url,
          key: await deviceKey(await generateKeyPair()),
          blobFolder: join(folder, name),
          memoryBytes: 1e9,
          vouchers: new MemoryVoucherStore(),
        }),
      );
    }
    // An epoch may close meanwhile: then it is in the root.
    const earned = async () => {
      const { earned, pending, claimable, paid } = await first.api(`/accounts/${listing.owner}/earnings`);
      return [earned, pending, claimable, paid].reduce((sum, amount) => sum + BigInt(amount), 0n);
    };
    await until(async () => (await first.api(`/models/${cid}`)).vessel.ready);
    assert.equal(await earned(), 0n);
    const question = { model: 'vessel-tiny', messages: [{ role: 'user', content: 'What is WebGPU?' }], max_tokens: 8 };
    const { usage } = await first.api('/chat/completions', question);
    // Hops and royalty and fee: 100 : 10 : 5.
    const royalty = (BigInt(usage.price) * 10n) / 115n;
    assert.equal(await earned(), royalty);

    await until(async () => (await first.api('/services/mnist')).vessel.ready);
    const input = Buffer.from(fixtureBytes('mnist/images-200x28x28.u8').slice(0, 784)).toString('base64');
    const seen = await first.api('/services/mnist', { order: { format: 'gray8', width: 28, height: 28 }, input });
    assert.equal(seen.price, services.find(({ id }: { id: string }) => id === 'mnist').vessel.price);
    assert.equal(await earned(), royalty + (BigInt(seen.price) * 10n) / 115n);

    for (const provider of providers.splice(0)) await provider.stop();
    first.vessel.signal('SIGINT');
    await first.vessel.ended;
    const again = await started({ VESSEL_HOME: first.vessel.home });
    try {
      const models = (await again.api('/models')).data;
      assert.deepEqual(models.find(({ id }: { id: string }) => id === 'vessel-tiny').vessel.listing, listing);
    } finally {
      await again.vessel.dispose();
    }
  } finally {
    for (const provider of providers) await provider.stop();
    await first.vessel.dispose();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});
