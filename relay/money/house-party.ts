/** The local demo's payer: a development wallet that pays for keys of the command line, so that a first try needs no wallet. */
import { concatHex, encodeFunctionData } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { z } from 'zod';
import { aicAbi } from '../../shared/chain/aic.ts';
import { computeLedgerAbi } from '../../shared/chain/compute-ledger.ts';
import { account } from '../../shared/protocol/ids.ts';
import type { Address, Hex } from '../../shared/receipts/hex.ts';
import type { RelayChain } from '../chain/relay-chain.ts';
import { sendAndWait } from '../chain/send-and-wait.ts';
import { openClient } from '../chain/viem-chain.ts';
import type { SessionKeys } from '../http/keys/session-keys.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PayingParty } from '../payments/payments.ts';

/** Far more than a demo asks for, and less than the wallet was given. */
const cap = 1_000n * 10n ** 18n;
const validSeconds = 30 * 24 * 3_600;
const renewSeconds = 24 * 3_600;
const factKey = 'house-session-key';
const pollMs = 100;

export interface HouseParts {
  relayChain: RelayChain;
  ledger: Ledger;
  sessionKeys: SessionKeys;
}

/** Sets money of `wallet` aside for a session key of this relay, unless enough is. */
export async function openHouseParty(parts: HouseParts, wallet: PrivateKeyAccount): Promise<PayingParty> {
  const { chain, rpcUrl } = parts.relayChain;
  const payer = wallet.address.toLowerCase() as Address;
  const sessionKey = await requireSessionKey(parts);
  const now = await chain.now();
  const { expiry } = await chain.authorizationOf(payer, sessionKey);
  if (expiry < now + renewSeconds || (await chain.remainingOf(payer, sessionKey)) < cap / 10n) {
    const { cap: before } = await chain.authorizationOf(payer, sessionKey);
    const send = (to: Address, data: Hex) =>
      sendAndWait(openClient(rpcUrl), wallet, { chainId: chain.place.chainId, to, data }, { pollMs });
    const free = await chain.balanceOf(payer);
    if (free < cap) {
      const args = [chain.addresses.ledger, cap - free, concatHex([payer])] as const;
      await send(chain.addresses.aic, encodeFunctionData({ abi: aicAbi, functionName: 'transferAndCall', args }));
    }
    const args = [sessionKey, before + cap, now + validSeconds] as const;
    await send(chain.addresses.ledger, encodeFunctionData({ abi: computeLedgerAbi, functionName: 'authorize', args }));
  }
  return { payer, sessionKey, spendLimit: null };
}

async function requireSessionKey({ ledger, sessionKeys }: HouseParts): Promise<Address> {
  const known = z.nullable(account).parse(await ledger.read(factKey)) as Address | null;
  if (known !== null && sessionKeys.signer(known) !== null) return known;
  const made = await sessionKeys.create();
  await ledger.write(factKey, made);
  return made;
}
