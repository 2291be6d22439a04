/** Puts the WAN between WebRTC peers: tabs (a browser context) and this process. Unmodified libp2p on both sides. */
import { RTCPeerConnection } from 'node-datachannel/polyfill';
import type { BrowserContext } from 'playwright-core';
import type { WanUdp } from './wan-udp.ts';

/** Call it before the context opens a page. What its tabs send to others goes over the link. */
export async function shapeContext(context: BrowserContext, wan: WanUdp): Promise<void> {
  await context.exposeFunction('wanRewrite', (line: string) => wan.rewrite(line));
  await context.addInitScript(() => {
    const { wanRewrite } = globalThis as unknown as { wanRewrite: (line: string) => Promise<string | null> };
    const prototype = RTCPeerConnection.prototype;
    const [add, set] = [prototype.addIceCandidate, prototype.setRemoteDescription];
    prototype.addIceCandidate = async function (this: RTCPeerConnection, given?: RTCIceCandidateInit | null) {
      if (!given?.candidate) return add.call(this, given ?? undefined);
      const candidate = await wanRewrite(given.candidate);
      if (candidate === null) return;
      return add.call(this, { candidate, sdpMid: given.sdpMid ?? null, sdpMLineIndex: given.sdpMLineIndex ?? null });
    };
    prototype.setRemoteDescription = async function (this: RTCPeerConnection, { type, sdp }: RTCSessionDescriptionInit) {
      const lines: string[] = [];
      for (const line of (sdp ?? '').split('\r\n')) {
        const kept = line.startsWith('a=candidate:') ? await wanRewrite(line) : line;
        if (kept !== null) lines.push(kept);
      }
      return set.call(this, { type, sdp: lines.join('\r\n') });
    };
  });
}

/** The same for the connections that this process makes. Returns what undoes it. */
export function shapeProcess(wan: WanUdp): () => void {
  const prototype = RTCPeerConnection.prototype;
  const { addIceCandidate: add, setRemoteDescription: set } = prototype;
  prototype.addIceCandidate = async function (given) {
    if (!given?.candidate) return add.call(this, given);
    const candidate = await wan.rewrite(given.candidate);
    if (candidate !== null)
      await add.call(this, { candidate, sdpMid: given.sdpMid ?? '0', sdpMLineIndex: given.sdpMLineIndex ?? 0 });
  };
  prototype.setRemoteDescription = async function (description) {
    const lines: string[] = [];
    for (const line of (description.sdp ?? '').split('\r\n')) {
      const kept = line.startsWith('a=candidate:') ? await wan.rewrite(line) : line;
      if (kept !== null) lines.push(kept);
    }
    await set.call(this, { type: description.type, sdp: lines.join('\r\n') });
  };
  return () => Object.assign(prototype, { addIceCandidate: add, setRemoteDescription: set });
}
