/** Options that `vessel relay` and `vessel start` share, and how a port is chosen. */
import { createServer } from 'node:net';

export const usualPort = 8787;
const portsTried = 20;

/** `port` itself if it was asked for; else the usual one, or the next that is free. */
export async function choosePort(asked: number | null, host: string): Promise<number> {
  if (asked !== null) return asked;
  for (let port = usualPort; port < usualPort + portsTried; port++) if (await isFree(port, host)) return port;
  return 0;
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
