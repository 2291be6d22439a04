/** The relay's multiaddr as this client reaches it: the host and port of the URL it knows, the peer id the relay told. */
export function relayMultiaddr(relayUrl: string, relayAddress: string): string {
  if (!relayAddress.startsWith('/p2p/')) return relayAddress;
  const { protocol, hostname, port } = new URL(relayUrl);
  const isSecure = protocol === 'https:' || protocol === 'wss:';
  const host = hostname.replace(/^\[|\]$/g, '');
  const family = host.includes(':') ? 'ip6' : /^\d+\.\d+\.\d+\.\d+$/.test(host) ? 'ip4' : 'dns';
  return `/${family}/${host}/tcp/${port || (isSecure ? 443 : 80)}/${isSecure ? 'tls/ws' : 'ws'}${relayAddress}`;
}
