/** How WebRTC may connect, from the relay's ICE servers and from whether the user hides the address. */
import type { IceServer } from '../../shared/protocol/presence-messages.ts';

/** `everything`: directly, then TURN. `turn`: over TURN alone, so that no peer learns the address. `none`: no WebRTC at all. */
export type RtcReach = 'everything' | 'turn' | 'none';

export function rtcReach(iceServers: readonly IceServer[], hideAddress: boolean): RtcReach {
  if (!hasWebRtc()) return 'none';
  if (!hideAddress) return 'everything';
  return turnOf(iceServers).length > 0 ? 'turn' : 'none';
}

export function rtcConfiguration(iceServers: readonly IceServer[], hideAddress: boolean): RTCConfiguration {
  const servers = hideAddress ? turnOf(iceServers) : iceServers;
  return {
    iceServers: servers.map(toRtc),
    // With `relay` the browser gathers nothing else: there is no candidate that could leak.
    ...(hideAddress ? { iceTransportPolicy: 'relay' as const } : {}),
  };
}

function turnOf(iceServers: readonly IceServer[]): IceServer[] {
  return iceServers.flatMap((server) => {
    const urls = server.urls.filter((url) => /^turns?:/.test(url));
    return urls.length > 0 ? [{ ...server, urls }] : [];
  });
}

/** node-datachannel puts name and password into the address, where a colon or a slash would end them. */
function toRtc({ urls, username, credential }: IceServer): RTCIceServer {
  const write = isNode() ? encodeURIComponent : (text: string) => text;
  return {
    urls,
    ...(username === undefined ? {} : { username: write(username) }),
    ...(credential === undefined ? {} : { credential: write(credential) }),
  };
}

function isNode(): boolean {
  return 'process' in globalThis && !('RTCPeerConnection' in globalThis);
}

function hasWebRtc(): boolean {
  return isNode() || 'RTCPeerConnection' in globalThis;
}
