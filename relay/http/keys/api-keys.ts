/**
 * API keys. The secret is shown once, at creation; what is kept is its SHA-256. A secret of 256 random bits cannot be guessed
 * from a hash, so no slow hash is needed.
 *
 *     vsl_<key id, 12 hex digits>_<43 characters of base64url>
 *
 * In a paid network a key names who pays: a payer's wallet authorized the key's session key on chain, up to a cap and an expiry.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { account } from '../../../shared/protocol/ids.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import type { TextStore } from '../../storage/text-store.ts';

const limitsSchema = z.strictObject({
  /** Absent: the relay's own setting. */
  requestsPerMinute: z.number().positive().optional(),
  maxConcurrent: z.number().int().positive().optional(),
});
const decimal = z.string().regex(/^(0|[1-9][0-9]{0,28})$/);
const address = account.transform((text) => text as Address);
const paymentSchema = z.strictObject({
  payer: address,
  sessionKey: address,
  /** As asked for; the chain says what was authorized. */
  cap: decimal,
  /** Unix seconds. */
  expiry: z.number().int().nonnegative(),
  /** null: the cap alone. */
  spendLimit: decimal.nullable(),
  /** The chain was seen to know the authorization. */
  isAuthorized: z.boolean(),
});
const keySchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().min(1).max(128),
  /** Hex SHA-256 of the whole secret. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  createdMs: z.number().int().nonnegative(),
  revokedMs: z.number().int().nonnegative().nullable(),
  limits: limitsSchema,
  payment: paymentSchema.optional(),
});
const fileSchema = z.strictObject({ format: z.literal('vessel-keys/1'), keys: z.array(keySchema) });

type StoredKey = z.infer<typeof keySchema>;
export type KeyPayment = z.infer<typeof paymentSchema>;
export type ApiKey = Omit<StoredKey, 'hash'>;
export type PaidKey = ApiKey & { payment: KeyPayment };
export type KeyLimits = z.infer<typeof limitsSchema>;

export interface ApiKeysOptions {
  store: TextStore;
  /** Unix time in milliseconds. */
  clock: () => number;
  randomBytes: (count: number) => Uint8Array;
}

const secretPattern = /^vsl_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

export class ApiKeys {
  readonly #options: ApiKeysOptions;
  #keys = new Map<string, StoredKey>();
  /** Not stored: a write per request would cost more than the knowledge is worth. */
  readonly #lastUsedMs = new Map<string, number>();
  /** Changes and reloads run one after the other: neither may write over what the other has just read. */
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(options: ApiKeysOptions) {
    this.#options = options;
  }

  /** @throws VesselError `bad_message` when the stored keys cannot be read; they are never overwritten then */
  static async open(options: ApiKeysOptions): Promise<ApiKeys> {
    const keys = new ApiKeys(options);
    await keys.reload();
    return keys;
  }

  /** Takes in what another process (the command line) has written. */
  reload(): Promise<void> {
    return this.#inTurn(() => this.#read());
  }

  /** Makes a key. The secret in the answer exists nowhere else afterwards. */
  async create({
    name,
    limits = {},
    payment,
  }: {
    name: string;
    limits?: KeyLimits;
    payment?: KeyPayment;
  }): Promise<{ key: ApiKey; secret: string }> {
    const id = Buffer.from(this.#options.randomBytes(6)).toString('hex');
    const secret = `vsl_${id}_${Buffer.from(this.#options.randomBytes(32)).toString('base64url')}`;
    const key = keySchema.safeParse({
      id,
      name,
      hash: hashOf(secret).toString('hex'),
      createdMs: this.#options.clock(),
      revokedMs: null,
      limits,
      ...(payment && { payment }),
    });
    if (!key.success) throw new VesselError('bad_request', z.prettifyError(key.error));
    await this.#change(() => this.#keys.set(id, key.data));
    return { key: withoutHash(key.data), secret };
  }

  /** The key of a secret, or null for one that is unknown, revoked or not a secret at all. */
  verify(secret: string): ApiKey | null {
    const id = secretPattern.exec(secret)?.[1];
    const key = id === undefined ? undefined : this.#keys.get(id);
    // The id is public; an unknown one is compared all the same, so that timing tells nothing about which ids exist.
    const isRight = timingSafeEqual(hashOf(secret), key ? Buffer.from(key.hash, 'hex') : Buffer.alloc(32));
    if (!key || !isRight || key.revokedMs !== null) return null;
    this.#lastUsedMs.set(key.id, this.#options.clock());
    return withoutHash(key);
  }

  list(): ApiKey[] {
    return [...this.#keys.values()].map(withoutHash);
  }

  /** Those of one payer that were not revoked. */
  listOf(payer: Address): PaidKey[] {
    return this.list().filter((key): key is PaidKey => key.payment?.payer === payer && key.revokedMs === null);
  }

  /** When the key was last used since this process began, in Unix milliseconds. */
  lastUsedMs(id: string): number | null {
    return this.#lastUsedMs.get(id) ?? null;
  }

  /** Changes what is known of a key's payment. */
  async setPayment(id: string, change: Partial<Pick<KeyPayment, 'spendLimit' | 'isAuthorized'>>): Promise<void> {
    await this.#change(() => {
      const key = this.#keys.get(id);
      if (key?.payment) this.#keys.set(id, { ...key, payment: { ...key.payment, ...change } });
    });
  }

  /** Ends a key at once and for good. Returns whether there was a live one. */
  async revoke(id: string): Promise<boolean> {
    // Before the file is looked at: whoever revokes a key has lost trust in it now.
    const live = this.#keys.get(id);
    const revokedMs = this.#options.clock();
    if (live && live.revokedMs === null) this.#keys.set(id, { ...live, revokedMs });
    return this.#inTurn(async () => {
      await this.#read();
      const key = this.#keys.get(id);
      if (!key || key.revokedMs !== null) return false;
      this.#keys.set(id, { ...key, revokedMs });
      await this.#save();
      return true;
    });
  }

  /** Forgets keys that no chain ever knew, made before `beforeMs`; returns their session keys. */
  async prune(beforeMs: number): Promise<Address[]> {
    const isStale = ({ payment, createdMs }: ApiKey) => payment && !payment.isAuthorized && createdMs < beforeMs;
    if (!this.list().some(isStale)) return [];
    const stale: Address[] = [];
    await this.#change(() => {
      for (const key of this.#keys.values()) {
        if (isStale(key) && this.#keys.delete(key.id)) stale.push(key.payment!.sessionKey);
      }
    });
    return stale;
  }

  #change(change: () => void): Promise<void> {
    return this.#inTurn(async () => {
      await this.#read();
      change();
      await this.#save();
    });
  }

  async #read(): Promise<void> {
    const text = await this.#options.store.read();
    this.#keys = new Map((text === null ? [] : parseKeys(text)).map((key) => [key.id, key]));
  }

  #inTurn<Value>(run: () => Promise<Value>): Promise<Value> {
    const turn = this.#lastChange.then(run);
    this.#lastChange = turn.catch(() => undefined);
    return turn;
  }

  #save(): Promise<void> {
    return this.#options.store.write(`${JSON.stringify({ format: 'vessel-keys/1', keys: [...this.#keys.values()] }, null, 2)}\n`);
  }
}

function parseKeys(text: string): StoredKey[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new VesselError('bad_message', 'The file of API keys is damaged: repair it or move it away.', { cause });
  }
  const file = fileSchema.safeParse(json);
  if (!file.success) {
    throw new VesselError('bad_message', 'The file of API keys is of a form this version does not know.', { cause: file.error });
  }
  return file.data.keys;
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function withoutHash({ hash: _, ...key }: StoredKey): ApiKey {
  return key;
}
