/** The configuration of a coturn that takes the relay's credentials and lends itself to nothing but WebRTC between tabs. */
import type { TurnService } from './turn-credentials.ts';
import { parseTurnUrl } from './turn-url.ts';

/** Where a relayed packet must not go: the server's own network, and everything that is no public host. */
const deniedPeers = [
  '0.0.0.0-0.255.255.255',
  '10.0.0.0-10.255.255.255',
  '100.64.0.0-100.127.255.255',
  '127.0.0.0-127.255.255.255',
  '169.254.0.0-169.254.255.255',
  '172.16.0.0-172.31.255.255',
  '192.0.0.0-192.0.0.255',
  '192.168.0.0-192.168.255.255',
  '198.18.0.0-198.19.255.255',
  '224.0.0.0-255.255.255.255',
  '::-::1',
  '::ffff:0:0-::ffff:ffff:ffff',
  '64:ff9b::-64:ff9b::ffff:ffff',
  'fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  'fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  'ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
];

export interface CoturnLimits {
  /** Allocations of one peer: a tab has a handful of neighbours and askers, each pair needs one or two. */
  perPeer: number;
  /** Allocations altogether. */
  total: number;
  /** Bytes a second through one allocation: 64 activations of 16 kB a second. */
  bytesPerSecond: number;
}

export const coturnLimits: CoturnLimits = { perPeer: 64, total: 1200, bytesPerSecond: 1024 * 1024 };

/** Contents of `turnserver.conf` for coturn 4.6 and later. The URLs must be TURN addresses. */
export function coturnConfig({ urls, secret }: TurnService, limits: CoturnLimits = coturnLimits): string {
  const places = urls.map((url) => parseTurnUrl(url)!);
  const plain = places.find(({ isSecure }) => !isSecure);
  const secure = places.find(({ isSecure }) => isSecure);
  const realm = places[0]!.host;
  return `# coturn for a Vessel relay. Start it with: turnserver -c <this file>
# The relay is started with the same --turn and --turn-secret-file.
listening-port=${plain?.port ?? 3478}
${
  secure
    ? `tls-listening-port=${secure.port}
# The certificate of ${secure.host}:
cert=/etc/coturn/cert.pem
pkey=/etc/coturn/key.pem
no-tlsv1
no-tlsv1_1`
    : 'no-tls\nno-dtls'
}
# Behind NAT: the address that others reach, and the one this machine has.
# external-ip=203.0.113.7/10.0.0.7
min-port=49152
max-port=65535

# Names and passwords of limited time, made by the relay.
realm=${realm}
use-auth-secret
static-auth-secret=${secret}
fingerprint
stale-nonce=600

# What one peer and all of them may take.
user-quota=${limits.perPeer}
total-quota=${limits.total}
max-bps=${limits.bytesPerSecond}
bps-capacity=${limits.bytesPerSecond * 64}

# UDP between tabs, nothing else: no TCP relaying, no management ports, no way into private networks.
no-tcp-relay
no-multicast-peers
no-cli
no-rfc5780
${deniedPeers.map((range) => `denied-peer-ip=${range}`).join('\n')}
`;
}
