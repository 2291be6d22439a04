/** Addresses of TURN servers as RFC 7065 writes them: `turn:host`, `turn:host:port`, `turns:…`, `?transport=udp|tcp`. */
export interface TurnUrl {
  isSecure: boolean;
  host: string;
  port: number;
  transport: 'udp' | 'tcp' | null;
}

const pattern = /^(turns?):([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/;

/** null: not an address of a TURN server. */
export function parseTurnUrl(url: string): TurnUrl | null {
  const [, scheme, host, port, transport] = pattern.exec(url) ?? [];
  if (!scheme || !host) return null;
  const isSecure = scheme === 'turns';
  const number = port === undefined ? (isSecure ? 5349 : 3478) : Number(port);
  if (number < 1 || number > 65_535) return null;
  return { isSecure, host: host.replace(/^\[|\]$/g, ''), port: number, transport: (transport as 'udp' | 'tcp') ?? null };
}
