/** How `vessel relay` is told what helps tabs reach each other: STUN, TURN, circuits through itself. */
import { type CircuitLimits, circuitLimits } from '../reach/circuit-limits.ts';
import { coturnConfig } from '../reach/coturn-config.ts';
import { type TurnService, turnLifetimeMs } from '../reach/turn-credentials.ts';
import { ensureTurnSecret, readTurnSecret } from '../reach/turn-secret.ts';
import { parseTurnUrl } from '../reach/turn-url.ts';
import { UsageError } from './command.ts';
import { parseCount } from './parse-options.ts';

export const reachUsage = `  --stun <url>            STUN server for tabs, may be repeated (default: none)
  --turn <url>            TURN server for pairs that cannot connect, as turn:turn.example.org:3478, may be repeated
  --turn-secret-file <f>  file with the secret shared with that server (--print-coturn makes it)
  --turn-minutes <n>      how long a TURN password opens new connections (default: 60)
  --circuits <n>          directions of data through this relay, for pairs that connect in no other way (default: ${circuitLimits.total}; 0: none)
  --print-coturn          print the configuration of a coturn that fits --turn, and end`;

export const reachOptions = {
  stun: { type: 'string', multiple: true },
  turn: { type: 'string', multiple: true },
  'turn-secret-file': { type: 'string' },
  'turn-minutes': { type: 'string' },
  circuits: { type: 'string' },
  'print-coturn': { type: 'boolean' },
} as const;

export interface ReachValues {
  stun?: string[] | undefined;
  turn?: string[] | undefined;
  'turn-secret-file'?: string | undefined;
  'turn-minutes'?: string | undefined;
  circuits?: string | undefined;
}

export interface RelayReach {
  iceServers: { urls: string[] }[];
  turn?: TurnService;
  circuits?: Partial<CircuitLimits>;
}

/** Throws UsageError or VesselError when something does not fit. */
export async function readReach(values: ReachValues): Promise<RelayReach> {
  for (const url of values.stun ?? []) {
    if (!/^stuns?:[^\s]+$/.test(url))
      throw new UsageError(`--stun must be an address like stun:stun.example.org:3478, not "${url}"`);
  }
  const turn = await readTurn(values, readTurnSecret);
  const circuits = values.circuits === undefined ? null : parseCount(values.circuits, 'circuits', 0, 5000);
  return {
    iceServers: values.stun ? [{ urls: values.stun }] : [],
    ...(turn ? { turn } : {}),
    ...(circuits === null ? {} : { circuits: { total: circuits } }),
  };
}

/** What `--print-coturn` prints. Makes the secret if its file is not there yet. */
export async function coturnOf(values: ReachValues): Promise<string> {
  const turn = await readTurn(values, ensureTurnSecret);
  if (!turn) throw new UsageError('--print-coturn needs --turn turn:host:port and --turn-secret-file <file>');
  return coturnConfig(turn);
}

async function readTurn(values: ReachValues, readSecret: (path: string) => Promise<string>): Promise<TurnService | null> {
  const { turn: urls, 'turn-secret-file': file, 'turn-minutes': minutes } = values;
  if (!urls && file === undefined) return null;
  if (!urls || file === undefined) throw new UsageError('--turn and --turn-secret-file belong together');
  for (const url of urls) {
    if (!parseTurnUrl(url)) throw new UsageError(`--turn must be an address like turn:turn.example.org:3478, not "${url}"`);
  }
  const lifetimeMs = minutes === undefined ? turnLifetimeMs : parseCount(minutes, 'turn-minutes', 2, 1440) * 60_000;
  return { urls, secret: await readSecret(file), lifetimeMs };
}
