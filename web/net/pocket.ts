/**
 * Play money for the page's own questions, on a relay's local chain only: a key of this browser that the faucet fills, so that a first
 * try needs no wallet. Loaded when the first question is asked, as it brings the contract library along.
 */
import { concatHex, createWalletClient, custom, defineChain, type Hex, publicActions } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { newSessionKey } from '../../sdk/paying/session-key.ts';
import { VoucherPayer } from '../../sdk/paying/voucher-payer.ts';
import { aicAbi } from '../../shared/chain/aic.ts';
import { computeLedgerAbi } from '../../shared/chain/compute-ledger.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { NetworkTerms } from '../../shared/protocol/payment-types.ts';
import type { AskPayer } from '../../shared/receipts/ask-payer.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { relayFetch } from '../app/money/relay-fetch.ts';

const keyName = 'vessel-pocket';
/** Wei for the questions of one visit. */
const cap = 100n * 10n ** 18n;
const validSeconds = 24 * 3600;

/** Null where the chain is a real one: there the visitor's wallet pays. */
export async function openPocket(relayUrl: string, terms: NetworkTerms): Promise<AskPayer | null> {
  const { local } = await relayFetch(`${relayUrl}/v1/network/terms`, z.object({ local: z.boolean() }));
  if (local !== true) return null;
  const account = privateKeyToAccount(pocketKey());
  const payer = account.address.toLowerCase() as Address;
  const chain = defineChain({
    id: terms.chainId,
    name: 'Vessel local',
    nativeCurrency: { name: 'Coin', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [`${relayUrl}/v1/chain`] } },
  });
  const rpc = custom({ request: ({ method, params }) => call(`${relayUrl}/v1/chain`, method, params) });
  const client = createWalletClient({ account, chain, transport: rpc, pollingInterval: 250 }).extend(publicActions);
  const done = async (hash: Hex) => {
    const { status } = await client.waitForTransactionReceipt({ hash });
    if (status !== 'success') throw new VesselError('payment_required', 'The local chain refused to set play money aside.');
  };

  const ledger = { address: terms.ledger, abi: computeLedgerAbi } as const;
  const free = await client.readContract({ ...ledger, functionName: 'balanceOf', args: [payer] });
  if (free < cap) {
    await relayFetch(`${relayUrl}/v1/faucet`, z.object({}), { method: 'POST', body: { address: payer } });
    const aic = { address: terms.aic, abi: aicAbi } as const;
    const amount = await client.readContract({ ...aic, functionName: 'balanceOf', args: [payer] });
    const args = [terms.ledger, amount, concatHex([payer])] as const;
    await done(await client.writeContract({ ...aic, functionName: 'transferAndCall', args }));
  }
  const session = newSessionKey();
  const { timestamp } = await client.getBlock();
  const args = [session.address, cap, Number(timestamp) + validSeconds] as const;
  await done(await client.writeContract({ ...ledger, functionName: 'authorize', args }));
  return new VoucherPayer({ sessionKey: session.privateKey, payer, place: terms, cap });
}

function pocketKey(): Hex {
  const known = localStorage.getItem(keyName);
  if (known && /^0x[0-9a-f]{64}$/.test(known)) return known as Hex;
  const made = generatePrivateKey();
  localStorage.setItem(keyName, made);
  return made;
}

const rpcAnswer = z.object({ result: z.unknown().optional(), error: z.object({ message: z.string() }).optional() });

async function call(url: string, method: string, params: unknown): Promise<unknown> {
  const body = { jsonrpc: '2.0', id: 1, method, params: params ?? [] };
  const { result, error } = await relayFetch(url, rpcAnswer, { method: 'POST', body });
  if (error) throw new VesselError('chain_unavailable', error.message);
  return result;
}
