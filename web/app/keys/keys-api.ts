/** Signing in and API keys, as the relay's HTTP API has them. */
import { z } from 'zod';
import { account } from '../../../shared/protocol/ids.ts';
import { wei } from '../../../shared/protocol/payment-messages.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import { relayFetch } from '../money/relay-fetch.ts';

const address = account.transform((text) => text as Address);
const hex = z
  .string()
  .regex(/^0x[0-9a-f]*$/)
  .transform((text) => text as Hex);
const callSchema = z.object({ to: address, data: hex });
const keySchema = z.object({
  id: z.string(),
  name: z.string(),
  session_key: address,
  status: z.enum(['pending', 'active', 'expired']),
  cap: wei,
  spent: wei,
  /** Unix seconds. */
  expiry: z.number().int(),
  last_used: z.number().int().nullable(),
  spend_limit: wei.nullable(),
});
export type PaidKey = z.output<typeof keySchema>;

const endedSchema = z.object({
  id: z.string(),
  name: z.string(),
  session_key: address,
  left: wei,
  /** Unix seconds; null while the chain still takes the key. */
  releasable_at: z.number().int().nullable(),
  transaction: callSchema.nullable(),
});
export type EndedKey = z.output<typeof endedSchema>;

const listSchema = z.object({ data: z.array(keySchema), balance: wei, ended: z.array(endedSchema) });
export type KeyList = z.output<typeof listSchema>;

export function readNonce() {
  return relayFetch('/v1/auth/nonce', z.object({ nonce: z.string(), chain_id: z.number(), domains: z.array(z.string()) }), {
    method: 'POST',
  });
}

/** The session comes back as a cookie that no script can read. */
export async function signIn(message: string, signature: Hex): Promise<void> {
  await relayFetch('/v1/auth/verify', z.object({}), { method: 'POST', body: { message, signature } });
}

/** @throws VesselError `unauthorized` when nobody is */
export async function readSession(): Promise<Address> {
  return (await relayFetch('/v1/auth/session', z.object({ address }))).address;
}

export async function signOut(): Promise<void> {
  await relayFetch('/v1/auth/session', z.object({}), { method: 'DELETE' });
}

export function listKeys(): Promise<KeyList> {
  return relayFetch('/v1/keys', listSchema);
}

export function createKey(params: { name: string; cap: bigint; expiry: number }) {
  const created = z.object({ id: z.string(), secret: z.string(), authorization: z.record(z.string(), z.unknown()) });
  return relayFetch('/v1/keys', created, { method: 'POST', body: { ...params, cap: params.cap.toString() } });
}

export async function authorizeKey(id: string, signature: Hex): Promise<void> {
  await relayFetch(`/v1/keys/${id}/authorize`, keySchema, { method: 'POST', body: { signature } });
}

export async function setSpendLimit(id: string, limit: bigint | null): Promise<void> {
  const body = { spend_limit: limit === null ? null : limit.toString() };
  await relayFetch(`/v1/keys/${id}`, keySchema, { method: 'PATCH', body });
}

/** Ends the key at this relay. What it still has on chain is then among the ended ones. */
export async function revokeKey(id: string): Promise<void> {
  await relayFetch(`/v1/keys/${id}`, z.object({}), { method: 'DELETE' });
}

/** Wei of both that were given. */
export function askFaucet(to: Address) {
  return relayFetch('/v1/faucet', z.object({ coins: wei, aic: wei }), { method: 'POST', body: { address: to } });
}
