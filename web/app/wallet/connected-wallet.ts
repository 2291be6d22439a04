/** A wallet that this page may ask, and the account it named. Every question is checked for the right chain first. */
import { z } from 'zod';
import { account } from '../../../shared/protocol/ids.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import type { NetworkMoney } from '../money/network-money.ts';
import type { Wallet } from './discover-wallets.ts';
import { requireChain } from './require-chain.ts';

export interface WalletCall {
  to: Address;
  data: Hex;
}

const accountsSchema = z.array(z.string().transform((text) => text.toLowerCase()));
const hexSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]*$/)
  .transform((text) => text as Hex);

export class ConnectedWallet {
  readonly wallet: Wallet;
  readonly address: Address;
  readonly #money: NetworkMoney;

  constructor(wallet: Wallet, address: Address, money: NetworkMoney) {
    this.wallet = wallet;
    this.address = address;
    this.#money = money;
  }

  async signMessage(message: string): Promise<Hex> {
    const bytes = new TextEncoder().encode(message);
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    return hexSchema.parse(await this.#request('personal_sign', [`0x${hex}`, this.address]));
  }

  /** `typedData` as JSON carries it: amounts in decimal. */
  async signTypedData(typedData: unknown): Promise<Hex> {
    await requireChain(this.wallet.provider, this.#money);
    return hexSchema.parse(await this.#request('eth_signTypedData_v4', [this.address, JSON.stringify(typedData)]));
  }

  /** Returns the hash: the transaction is on its way, not yet in a block. */
  async send({ to, data }: WalletCall): Promise<Hex> {
    await requireChain(this.wallet.provider, this.#money);
    return hexSchema.parse(await this.#request('eth_sendTransaction', [{ from: this.address, to, data }]));
  }

  #request(method: string, params: unknown[]): Promise<unknown> {
    return this.wallet.provider.request({ method, params });
  }
}

/** `silent`: only if the person has let this page in before; no window opens. */
export async function askForAccount({ provider }: Wallet, { silent = false } = {}): Promise<Address | null> {
  const answer = await provider.request({ method: silent ? 'eth_accounts' : 'eth_requestAccounts' });
  const [first] = accountsSchema.catch([]).parse(answer);
  const parsed = account.safeParse(first);
  return parsed.success ? (parsed.data as Address) : null;
}
