/**
 * Troubles for the tabs of `vessel demo`, made from outside by the browser that the demo opened: the page itself has no such switch.
 *
 *   kill       the tab's process ends without a word
 *   freeze     the page does nothing for half a minute
 *   partition  the page's WebRTC connections swallow what it sends; the relay still hears it
 */
import type { Tab } from './headless-browser.ts';

export const faultKinds = ['kill', 'freeze', 'partition'] as const;
export type FaultKind = (typeof faultKinds)[number];

/** When the answer has `token` tokens, the provider at place `hop` (from 1) of its route gets into trouble. */
export interface Fault {
  kind: FaultKind;
  token: number;
  hop: number;
}

const frozenMs = 30_000;

/** Resolves when the trouble has begun. */
export async function makeTrouble(kind: FaultKind, { page, context }: Tab): Promise<void> {
  if (kind === 'kill') {
    const session = await context.newCDPSession(page);
    // Never answered: there is nobody left to answer.
    session.send('Page.crash').catch(() => undefined);
  } else if (kind === 'freeze') {
    page
      .evaluate((ms) => {
        const end = Date.now() + ms;
        while (Date.now() < end);
      }, frozenMs)
      .catch(() => undefined);
  } else {
    await page.evaluate(() => {
      const { RTCDataChannel } = globalThis as unknown as { RTCDataChannel: { prototype: { send: () => void } } };
      RTCDataChannel.prototype.send = () => undefined;
    });
  }
}

/** The end of the tab's peer id, or null while it is not online. */
export function peerEndOf({ page }: Tab): Promise<string | null> {
  return page.evaluate(() => {
    interface Seen {
      network: { providers: { id: string; you: boolean }[] };
    }
    const { vessel } = globalThis as unknown as { vessel: { state: { getSnapshot(): Seen } } };
    return vessel.state.getSnapshot().network.providers.find(({ you }) => you)?.id ?? null;
  });
}
