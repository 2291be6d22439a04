/** What a page's WebRTC connections tell of it: every candidate and description that leaves, and the pair that is in use. */
import type { BrowserContext, Page } from 'playwright-core';

interface Heard {
  /** Candidate lines handed to the page, and those in local descriptions. */
  candidates: string[];
  connections: RTCPeerConnection[];
  /** Policies the connections were made with. */
  policies: string[];
}

export async function listenForCandidates(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const heard: Heard = { candidates: [], connections: [], policies: [] };
    Object.assign(globalThis, { heard });
    const Real = RTCPeerConnection;
    const collect = (sdp: string | undefined) => {
      for (const line of (sdp ?? '').split('\r\n')) if (line.startsWith('a=candidate:')) heard.candidates.push(line.slice(2));
    };
    class Watched extends Real {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        heard.connections.push(this);
        heard.policies.push(configuration?.iceTransportPolicy ?? 'all');
        this.addEventListener('icecandidate', ({ candidate }) => {
          if (candidate?.candidate) heard.candidates.push(candidate.candidate);
        });
        this.addEventListener('icegatheringstatechange', () => collect(this.localDescription?.sdp));
      }
    }
    globalThis.RTCPeerConnection = Watched;
  });
}

/** Candidate lines so far. */
export function candidatesOf(page: Page): Promise<string[]> {
  return page.evaluate(() => (globalThis as unknown as { heard: Heard }).heard.candidates);
}

export function policiesOf(page: Page): Promise<string[]> {
  return page.evaluate(() => (globalThis as unknown as { heard: Heard }).heard.policies);
}

/** Local and remote candidate types of the pairs that open connections use, as `relay/relay`. */
export function pairsOf(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const pairs: string[] = [];
    for (const connection of (globalThis as unknown as { heard: Heard }).heard.connections) {
      if (connection.connectionState !== 'connected') continue;
      const stats = await connection.getStats();
      stats.forEach((entry: { type: string; selectedCandidatePairId?: string }) => {
        if (entry.type !== 'transport' || !entry.selectedCandidatePairId) return;
        const pair = stats.get(entry.selectedCandidatePairId);
        pairs.push(`${stats.get(pair.localCandidateId).candidateType}/${stats.get(pair.remoteCandidateId).candidateType}`);
      });
    }
    return pairs;
  });
}
