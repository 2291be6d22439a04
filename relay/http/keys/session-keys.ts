/**
 * The private halves of session keys: they sign vouchers against what payers set aside for API keys. They never leave the relay; the
 * store is a file that only its owner can read. What one can lose with them is bounded by the caps and expiries that wallets signed.
 */
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';
import { z } from 'zod';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { Address, Hex } from '../../../shared/receipts/hex.ts';
import type { TextStore } from '../../storage/text-store.ts';

const fileSchema = z.strictObject({
  format: z.literal('vessel-session-keys/1'),
  keys: z.record(z.string().regex(/^0x[0-9a-f]{40}$/), z.string().regex(/^0x[0-9a-f]{64}$/)),
});

export class SessionKeys {
  readonly #store: TextStore;
  readonly #keys: Map<Address, Hex>;
  readonly #generate: () => Hex;

  private constructor(store: TextStore, keys: Map<Address, Hex>, generate: () => Hex) {
    this.#store = store;
    this.#keys = keys;
    this.#generate = generate;
  }

  /** @throws VesselError `bad_message` when the stored keys cannot be read; they are never overwritten then */
  static async open(store: TextStore, generate: () => Hex = generatePrivateKey): Promise<SessionKeys> {
    const text = await store.read();
    return new SessionKeys(store, text === null ? new Map() : parseKeys(text), generate);
  }

  /** Makes a key, stored before its address is told to anyone. */
  async create(): Promise<Address> {
    const key = this.#generate();
    const address = privateKeyToAccount(key).address.toLowerCase() as Address;
    this.#keys.set(address, key);
    await this.#save();
    return address;
  }

  /** What signs vouchers as this key; null for one that this relay does not hold. */
  signer(address: Address): PrivateKeyAccount | null {
    const key = this.#keys.get(address);
    return key === undefined ? null : privateKeyToAccount(key);
  }

  /** Only for a key that was never authorized: one that was signs the last voucher long after it was revoked. */
  async forget(addresses: readonly Address[]): Promise<void> {
    if (addresses.filter((address) => this.#keys.delete(address)).length > 0) await this.#save();
  }

  #save(): Promise<void> {
    const file = { format: 'vessel-session-keys/1', keys: Object.fromEntries(this.#keys) };
    return this.#store.write(`${JSON.stringify(file, null, 2)}\n`);
  }
}

function parseKeys(text: string): Map<Address, Hex> {
  try {
    return new Map(Object.entries(fileSchema.parse(JSON.parse(text)).keys) as [Address, Hex][]);
  } catch {
    // Without the cause: the parser's own message quotes the file.
    throw new VesselError('bad_message', 'The file of session keys is damaged: repair it or move it away.');
  }
}
