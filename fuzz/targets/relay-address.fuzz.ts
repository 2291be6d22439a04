/** Addresses that a relay announces, on the way to the dialler: a multiaddr or a refusal to parse, nothing else. */
import { multiaddr } from '@multiformats/multiaddr';
import { relayMultiaddr } from '../../sdk/net/relay-address.ts';
import type { TextTarget } from '../engine/target.ts';

const peer = '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf';

export const target: TextTarget = {
  name: 'relay-address',
  form: 'text',
  maxLength: 300,
  seeds: [
    `/p2p/${peer}`,
    `/dns4/relay.example/tcp/443/tls/ws/p2p/${peer}`,
    `/ip4/127.0.0.1/tcp/9000/ws/p2p/${peer}/p2p-circuit/webrtc/p2p/${peer}`,
    `/ip6/::1/udp/4001/quic-v1/webtransport/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ`,
    '/unix/a%2Fb',
  ],
  words: ['/ip6zone/', '/ipcidr/', '/onion3/', '/dnsaddr/', '/http-path/', '/memory/', '/sni/'],
  refusals: [],
  // The caller turns whatever the library throws into `relay_lost`.
  isRefusal: (thrown) => thrown instanceof Error && !(thrown instanceof RangeError && /stack/.test(thrown.message)),
  decode(text) {
    const address = multiaddr(relayMultiaddr('wss://relay.example', text));
    return address
      .getComponents()
      .map(({ name }) => name)
      .join();
  },
};
