/** One provider core whose neighbours are played by the test: orders and frames by hand. */
import type { Lease } from '../provider/provider-ports.ts';
import { encodeFrame, type HiddenFrame, type TokenFrame } from '../shared/protocol/frame.ts';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import type { AskerMessage, OpenMessage } from '../shared/protocol/order-messages.ts';
import { protocolVersion } from '../shared/protocol/version.ts';
import { type FakeProvider, type FakeProviderOptions, FakeWires, ManualAsker, newSession, peerName } from './fake-links.ts';
import { languageModel, sampling, type TestModel } from './language-model.ts';

export const testModel = languageModel({ layers: 6, hidden: 16, vocab: 64, context: 256 });
export const prompt = [5, 9, 2];

export interface HopUnderTest {
  wires: FakeWires;
  hop: FakeProvider;
  asker: ManualAsker;
  model: TestModel;
}

/** A provider that holds layers [from, to), and its neighbours `before` and `after` as mute providers. */
export async function hopUnderTest(from: number, to: number, options: FakeProviderOptions = {}): Promise<HopUnderTest> {
  const wires = new FakeWires();
  const hop = wires.addProvider('hop', [testModel], options);
  for (const name of ['before', 'after', 'stranger']) wires.addProvider(name, [testModel]).isMute = true;
  hop.core.assign([{ model: testModel.id, from, to }]);
  await wires.settle();
  return { wires, hop, asker: new ManualAsker(wires, 'asker', hop), model: testModel };
}

/** An `open` for the hop in a route of before (0–2), hop, after (4–6), as far as its layers leave room for them. */
export function openMessage(from: number, to: number, rest: Partial<OpenMessage> = {}): OpenMessage {
  const route = [...(from > 0 ? ['before'] : []), 'hop', ...(to < 6 ? ['after'] : [])].map(peerName);
  const last = { promptIds: prompt, maxTokens: 5, stopIds: [], sampling: sampling() };
  return {
    type: 'open',
    version: protocolVersion,
    session: newSession(),
    epoch: 3,
    model: testModel.id,
    from,
    to,
    index: from > 0 ? 1 : 0,
    route,
    capacity: 10,
    ...(from === 0 ? { first: { promptIds: prompt } } : {}),
    ...(to === 6 ? { last } : {}),
    ...rest,
  };
}

export function leaseFor(open: OpenMessage, asker = 'asker'): Lease {
  const { session, model, from, to, capacity } = open;
  const lease = { session, asker: peerName(asker), model, from, to, capacity };
  return open.again ? { ...lease, again: true as const } : lease;
}

/** Announces and opens; returns the message sent. */
export async function opened({ wires, hop, asker }: HopUnderTest, open: OpenMessage): Promise<OpenMessage> {
  hop.core.lease(leaseFor(open));
  asker.send(open);
  await wires.settle();
  return open;
}

export async function say({ wires, asker }: HopUnderTest, ...messages: AskerMessage[]): Promise<void> {
  for (const message of messages) asker.send(message);
  await wires.settle();
}

/** The whole prompt as the hop before would send it. */
export function promptFrame(open: OpenMessage, rest: Partial<HiddenFrame> = {}): Uint8Array<ArrayBuffer> {
  const count = rest.count ?? prompt.length;
  const width = rest.width ?? 16;
  const values = Float32Array.from({ length: count * width }, (_, i) => Math.sin(i + 1));
  return encodeFrame({
    kind: 'hidden',
    session: open.session,
    epoch: open.epoch,
    position: 0,
    prior: emptyHistory,
    after: extendHistory(emptyHistory, prompt.slice(0, count)),
    dtype: 'f32',
    count,
    width,
    endOfPrompt: true,
    payload: new Uint8Array(values.buffer),
    ...rest,
  });
}

/** The first token as the last hop would send it. */
export function tokenFrame(open: OpenMessage, rest: Partial<TokenFrame> = {}): Uint8Array<ArrayBuffer> {
  const prior = rest.prior ?? extendHistory(emptyHistory, prompt);
  const token = rest.token ?? 7;
  return encodeFrame({
    kind: 'token',
    session: open.session,
    epoch: open.epoch,
    position: prompt.length,
    prior,
    after: extendHistory(prior, [token]),
    token,
    ...rest,
  });
}
