/**
 * API keys. The secret is shown once, at creation; what is kept is its SHA-256. A secret of 256 random bits cannot be guessed
 * from a hash, so no slow hash is needed.
 *
 *     vsl_<key id, 12 hex digits>_<43 characters of base64url>
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { VesselError } from '../../../shared/protocol/errors.ts';
import type { TextStore } from '../../storage/text-store.ts';

const limitsSchema = z.strictObject({
  /** Absent: the relay's own setting. */
  requestsPerMinute: z.number().positive().optional(),
  maxConcurrent: z.number().int().positive().optional(),
});
const keySchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().min(1).max(128),
  /** Hex SHA-256 of the whole secret. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  createdMs: z.number().int().nonnegative(),
  revokedMs: z.number().int().nonnegative().nullable(),
  limits: limitsSchema,
});
const fileSchema = z.strictObject({ format: z.literal('vessel-keys/1'), keys: z.array(keySchema) });

type StoredKey = z.infer<typeof keySchema>;
export type ApiKey = Omit<StoredKey, 'hash'>;
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
  async reload(): Promise<void> {
    const text = await this.#options.store.read();
    this.#keys = new Map((text === null ? [] : parseKeys(text)).map((key) => [key.id, key]));
  }

  /** Makes a key. The secret in the answer exists nowhere else afterwards. */
  async create({ name, limits = {} }: { name: string; limits?: KeyLimits }): Promise<{ key: ApiKey; secret: string }> {
    const id = Buffer.from(this.#options.randomBytes(6)).toString('hex');
    const secret = `vsl_${id}_${Buffer.from(this.#options.randomBytes(32)).toString('base64url')}`;
    const key = keySchema.safeParse({
      id,
      name,
      hash: hashOf(secret).toString('hex'),
      createdMs: this.#options.clock(),
      revokedMs: null,
      limits,
    });
    if (!key.success) throw new VesselError('bad_request', z.prettifyError(key.error));
    this.#keys.set(id, key.data);
    await this.#save();
    return { key: withoutHash(key.data), secret };
  }

  /** The key of a secret, or null for one that is unknown, revoked or not a secret at all. */
  verify(secret: string): ApiKey | null {
    const id = secretPattern.exec(secret)?.[1];
    const key = id === undefined ? undefined : this.#keys.get(id);
    // The id is public; an unknown one is compared all the same, so that timing tells nothing about which ids exist.
    const isRight = timingSafeEqual(hashOf(secret), key ? Buffer.from(key.hash, 'hex') : Buffer.alloc(32));
    return key && isRight && key.revokedMs === null ? withoutHash(key) : null;
  }

  list(): ApiKey[] {
    return [...this.#keys.values()].map(withoutHash);
  }

  /** Ends a key at once and for good. Returns whether there was a live one. */
  async revoke(id: string): Promise<boolean> {
    const key = this.#keys.get(id);
    if (!key || key.revokedMs !== null) return false;
    this.#keys.set(id, { ...key, revokedMs: this.#options.clock() });
    await this.#save();
    return true;
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
