/**
 * Short-lived TURN credentials (the TURN REST scheme, coturn's `use-auth-secret`): the user name says when it ends and whose it is, the
 * password is its HMAC-SHA1 by a secret that relay and TURN server share. The TURN server keeps no list of users.
 */
import { createHmac } from 'node:crypto';
import type { IceServer } from '../../shared/protocol/presence-messages.ts';

export interface TurnService {
  /** e.g. `turn:turn.example.org:3478`. */
  urls: string[];
  /** `static-auth-secret` of the TURN server. */
  secret: string;
  /** How long a credential opens new allocations; those that are open stay. */
  lifetimeMs: number;
}

/** Long enough that a clock which is a few minutes off does no harm, short enough that a stolen one is worth little. */
export const turnLifetimeMs = 60 * 60 * 1000;

/** `nowMs`: Unix time. */
export function turnServer({ urls, secret, lifetimeMs }: TurnService, peer: string, nowMs: number): IceServer {
  const username = `${Math.floor((nowMs + lifetimeMs) / 1000)}:${peer}`;
  return { urls, username, credential: createHmac('sha1', secret).update(username).digest('base64') };
}
