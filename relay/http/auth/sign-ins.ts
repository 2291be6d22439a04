/**
 * Signing in with a wallet (EIP-4361). A nonce is given out once, lives for minutes and opens one session at most; the session's
 * token is random, kept as its hash, and gone after a restart: signing in again costs a click.
 */
import { createHash } from 'node:crypto';
import { parseSiweMessage } from 'viem/siwe';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import { httpLimits } from '../http-limits.ts';
import type { Wallets } from '../money.ts';

export interface SignInsOptions {
  wallets: Wallets;
  chainId: number;
  /** Names of this relay; a message signed for another site is refused. */
  domains: () => string[];
  /** Unix time in milliseconds. */
  clock: () => number;
  randomBytes: (count: number) => Uint8Array;
}

export interface WalletSession {
  token: string;
  address: Address;
  expiresMs: number;
}

export class SignIns {
  readonly #options: SignInsOptions;
  /** Nonce → when it ends. Oldest first, as all live equally long. */
  readonly #nonces = new Map<string, number>();
  /** Hash of the token → session. */
  readonly #sessions = new Map<string, Omit<WalletSession, 'token'>>();

  constructor(options: SignInsOptions) {
    this.#options = options;
  }

  nonce(): { nonce: string; expiresMs: number } {
    const nowMs = this.#options.clock();
    const nonce = Buffer.from(this.#options.randomBytes(16)).toString('hex');
    const expiresMs = nowMs + httpLimits.signInMs;
    this.#nonces.set(nonce, expiresMs);
    trim(this.#nonces, (endsMs) => endsMs <= nowMs);
    return { nonce, expiresMs };
  }

  /** @throws VesselError `unauthorized` with what is wrong; the message's nonce is spent either way */
  async verify(message: string, signature: Hex): Promise<WalletSession> {
    const { wallets, chainId, domains, clock, randomBytes } = this.#options;
    const nowMs = clock();
    const fields = parseSiweMessage(message);
    const { nonce, domain, address, uri, expirationTime, issuedAt, notBefore } = fields;
    if (!nonce || !domain || !address || !uri || fields.version !== '1') throw refusal('This is no sign-in message (EIP-4361).');
    const endsMs = this.#nonces.get(nonce);
    this.#nonces.delete(nonce);
    if (endsMs === undefined || endsMs <= nowMs) throw refusal('The sign-in took too long or was used before: try again.');
    if (!domains().includes(domain)) throw refusal(`The message was signed for ${domain}, which is not this relay.`);
    if (hostOf(uri) !== domain) throw refusal('The message names two different sites.');
    if (fields.chainId !== chainId) throw refusal(`The message was signed for chain ${fields.chainId}: this is ${chainId}.`);
    if (!issuedAt || !isWithin(issuedAt, nowMs)) throw refusal('The message was not issued just now: try again.');
    // An invalid date compares as false: it must not count as "not expired".
    if (expirationTime && !(expirationTime.getTime() > nowMs)) throw refusal('The sign-in message has expired: try again.');
    if (notBefore && !(notBefore.getTime() <= nowMs)) throw refusal('The sign-in message is not valid yet.');
    const wallet = address.toLowerCase() as Address;
    if (!(await wallets.verifyMessage(wallet, message, signature))) throw refusal('The message is not signed by this wallet.');
    const token = `vst_${Buffer.from(randomBytes(32)).toString('base64url')}`;
    const session = { address: wallet, expiresMs: nowMs + httpLimits.sessionMs };
    this.#sessions.set(hashOf(token), session);
    trim(this.#sessions, ({ expiresMs }) => expiresMs <= nowMs);
    return { token, ...session };
  }

  /** The session of a token, or null. */
  find(token: string): Omit<WalletSession, 'token'> | null {
    const session = this.#sessions.get(hashOf(token));
    return session && session.expiresMs > this.#options.clock() ? session : null;
  }

  end(token: string): void {
    this.#sessions.delete(hashOf(token));
  }
}

/** Clocks of people's devices are minutes off, rarely more. */
function isWithin(issuedAt: Date, nowMs: number): boolean {
  return Math.abs(issuedAt.getTime() - nowMs) <= httpLimits.signInMs;
}

function hostOf(uri: string): string | null {
  try {
    return new URL(uri).host;
  } catch {
    return null;
  }
}

/** Entries are in order of their end: those that are over go, and the oldest where there are too many. */
function trim<Value>(entries: Map<string, Value>, isOver: (value: Value) => boolean): void {
  for (const [key, value] of entries) {
    if (entries.size <= httpLimits.maxSignIns && !isOver(value)) return;
    entries.delete(key);
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function refusal(message: string): VesselError {
  return new VesselError('unauthorized', message);
}
