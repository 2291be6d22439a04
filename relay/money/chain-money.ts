/** The HTTP API's ports to money, over a real chain and the relay's ledger. */
import { type PublicClient, parseSignature, RpcRequestError } from 'viem';
import { VesselError } from '../../shared/protocol/errors.ts';

import type { Hex } from '../../shared/receipts/hex.ts';
import { askNode, chainUnavailable } from '../chain/chain-errors.ts';
import { callBody } from '../chain/contract-calls.ts';
import type { RelayChain } from '../chain/relay-chain.ts';
import type { ChainSender } from '../chain/sender.ts';
import { openClient } from '../chain/viem-chain.ts';
import type { SessionKeys } from '../http/keys/session-keys.ts';
import { type AccountOrder, type ChainRpc, type Money, RpcError, type Wallets } from '../http/money.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PayingParty, Payments } from '../payments/payments.ts';
import { LedgerPayroll } from './ledger-payroll.ts';
import { ChainListings } from './model-listings.ts';
import { openGate } from './open-gate.ts';
import { type SubmitParts, submit } from './submit.ts';

export interface ChainMoneyParts {
  relayChain: RelayChain;
  sender: ChainSender;
  ledger: Ledger;
  payments: Payments;
  sessionKeys: SessionKeys;
  domains: () => string[];
  houseParty?: PayingParty | null;
}

/** Opens the gate for x402 in the background: without it nothing is offered yet, and everything else works. */
export function chainMoney(options: ChainMoneyParts): Money {
  const { relayChain, sender, ledger, payments, sessionKeys } = options;
  const { chain, rpcUrl, faucet } = relayChain;
  const client = openClient(rpcUrl);
  const parts: SubmitParts = { client, chain, sender, ledger };
  const gate = openGate(parts, sessionKeys);
  return {
    payments,
    listings: new ChainListings(chain),
    wallets: chainWallets(client),
    escrow: {
      balanceOf: (payer) => chain.balanceOf(payer),
      authorizationOf: (payer, sessionKey) => chain.authorizationOf(payer, sessionKey),
      times: async () => ({ now: await chain.now(), claimWindow: await chain.claimWindow() }),
      authorize: async ({ payer, sessionKey, cap, expiry }, signature) => {
        await submit(parts, {
          id: `authorize:${payer}:${sessionKey}:${cap}:${expiry}`,
          kind: 'authorize',
          body: callBody('ledger', 'authorizeBySig', [payer, sessionKey, cap, expiry, signature]),
          refuse: refusal('bad_request', 'The chain refused the authorization'),
        });
      },
    },
    sessionKeys,
    x402: {
      gate: gate.get,
      // EIP-712 name and version of contracts/src/AIC.sol.
      token: { name: 'AIC', version: '1' },
      journal: ledger,
      settle: async (id, { from, to, value, validAfter, validBefore, nonce, signature }) => ({
        transaction: await submit(parts, {
          id,
          kind: 'deposit',
          body: callBody('aic', 'transferWithAuthorization', [
            from,
            to,
            value,
            validAfter,
            validBefore,
            nonce,
            ...partsOf(signature),
          ]),
          refuse: refusal('payment_required', 'The chain refused the payment'),
        }),
      }),
    },
    payroll: new LedgerPayroll(chain, ledger, relayChain.operator),
    accounts: {
      submit: async (order) => ({
        transaction: await submit(parts, {
          id: `account:${order.account}:${await chain.nonceOf(order.account)}:${order.kind}:${order.deadline}`,
          kind: 'payout',
          body: accountCall(order),
          refuse: refusal('bad_request', 'The chain refused the order'),
        }),
      }),
    },
    rpc: nodeRpc(client),
    faucet,
    houseParty: options.houseParty ?? null,
    domains: options.domains,
  };
}

/** Keys first, contracts (ERC-1271) where there is one at the address. */
export function chainWallets(client: PublicClient): Wallets {
  const orUnavailable = (verify: () => Promise<boolean>) => askNode(verify);
  return {
    verifyMessage: (address, message, signature) => orUnavailable(() => client.verifyMessage({ address, message, signature })),
    verifyDigest: (address, hash, signature) => orUnavailable(() => client.verifyHash({ address, hash, signature })),
  };
}

/** AIC checks signatures of keys alone: a contract wallet pays by depositing, and with an API key. */
function partsOf(signature: Hex): [v: number, r: Hex, s: Hex] {
  try {
    const { r, s, yParity } = parseSignature(signature);
    return [27 + yParity, r, s];
  } catch (cause) {
    throw new VesselError('payment_required', 'Only wallets with a key of their own can pay with x402: use an API key.', {
      cause,
    });
  }
}

function nodeRpc(client: PublicClient): ChainRpc {
  return {
    call: async (method, params) => {
      try {
        // The caller's words as they are: which methods may pass, the route says.
        return await client.request({ method, params } as Parameters<PublicClient['request']>[0]);
      } catch (thrown) {
        const answered = walk(thrown);
        if (answered) throw new RpcError(answered.code, answered.details, answered.data);
        throw chainUnavailable(thrown);
      }
    },
  };
}

function walk(thrown: unknown): RpcRequestError | null {
  for (let error = thrown; error instanceof Error; error = error.cause) if (error instanceof RpcRequestError) return error;
  return null;
}

function accountCall(order: AccountOrder) {
  const { account, deadline } = order;
  // The two signatures are two functions of one name: told apart here, so that the compiler can.
  if (order.kind === 'set-payout') {
    return order.by === 'device'
      ? callBody('accounts', 'setPayout', [account, order.payout, deadline, order.signature])
      : callBody('accounts', 'setPayout', [account, order.payout, deadline, order.signature]);
  }
  return order.by === 'device'
    ? callBody('accounts', 'addKey', [account, order.key, deadline, order.signature])
    : callBody('accounts', 'addKey', [account, order.key, deadline, order.signature]);
}

function refusal(code: 'bad_request' | 'payment_required', what: string): (reason: string) => VesselError {
  return (reason) => new VesselError(code, `${what}: ${reason}.`);
}
