/** What an asker needs to know of a model: its manifest and its tokenizer, fetched from the relay and checked by their hashes. */
import { cidOf } from '../shared/models/content-id.ts';
import { type LanguageManifest, type Manifest, manifestSchema } from '../shared/models/manifest.ts';
import { manifestId } from '../shared/models/manifest-id.ts';
import { readBytes } from '../shared/models/read-bytes.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { limits } from '../shared/protocol/limits.ts';
import { requireServiceType } from '../shared/services/registry.ts';
import { type MeteredService, meteredService } from '../shared/services/service-type.ts';
import { TextCodec } from './text/text-codec.ts';

export interface AskedModel {
  id: string;
  manifest: LanguageManifest;
  /** Longest prompt and answer together, in tokens. */
  context: number;
  codec: TextCodec;
}

export class ModelSource {
  readonly #relayUrl: string;
  readonly #known = new Map<string, Promise<AskedModel>>();
  readonly #services = new Map<string, Promise<MeteredService>>();

  constructor(relayUrl: string) {
    this.#relayUrl = relayUrl;
  }

  /** By name or manifest CID. Throws `model_not_found`, `relay_lost`, `bad_blob`. */
  get(nameOrId: string): Promise<AskedModel> {
    return once(this.#known, nameOrId, () => this.#load(nameOrId));
  }

  /** How a whole graph is metered. Throws also `unsupported`, for a service type that this version does not know. */
  metered(nameOrId: string): Promise<MeteredService> {
    return once(this.#services, nameOrId, async () => {
      const { manifest } = await this.#manifest(nameOrId);
      if (manifest.kind !== 'graph') throw new VesselError('bad_request', `${manifest.name} is a language model, not a service.`);
      return meteredService(requireServiceType(manifest.service), manifest.settings);
    });
  }

  async #manifest(nameOrId: string): Promise<{ id: string; manifest: Manifest }> {
    const bytes = await this.#fetch(`/manifests/${encodeURIComponent(nameOrId)}`, limits.maxManifestBytes);
    const parsed = manifestSchema.safeParse(parseJson(bytes));
    if (!parsed.success)
      throw new VesselError('version_mismatch', 'The relay describes models in a way this version does not know.');
    const manifest = parsed.data;
    const id = manifestId(manifest);
    if (/^b[a-z2-7]{50,}$/.test(nameOrId) && id !== nameOrId)
      throw new VesselError('bad_blob', 'The relay sent another manifest than the one asked for.');
    return { id, manifest };
  }

  async #load(nameOrId: string): Promise<AskedModel> {
    const { id, manifest } = await this.#manifest(nameOrId);
    if (manifest.kind !== 'language') throw new VesselError('unsupported', `${manifest.name} is not a language model.`);
    const tokenizer = await this.#fetch(`/blobs/${manifest.tokenizer.cid}`, manifest.tokenizer.bytes);
    if (cidOf(tokenizer) !== manifest.tokenizer.cid) throw new VesselError('bad_blob', 'The tokenizer does not match its hash.');
    return {
      id,
      manifest,
      context: Math.min(manifest.architecture.context, limits.maxContext),
      codec: new TextCodec(parseJson(tokenizer)),
    };
  }

  async #fetch(path: string, most: number): Promise<Uint8Array> {
    const response = await fetch(new URL(path, this.#relayUrl)).catch((cause) => {
      throw new VesselError('relay_lost', `No relay answers at ${this.#relayUrl}.`, { cause });
    });
    if (response.status === 404) throw new VesselError('model_not_found');
    if (!response.ok) throw new VesselError('relay_lost', `The relay answered ${response.status}.`);
    return readBytes(response, most);
  }
}

/** Null for what is no JSON: no schema takes it. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

/** What failed is tried anew. */
function once<Value>(known: Map<string, Promise<Value>>, key: string, load: () => Promise<Value>): Promise<Value> {
  let value = known.get(key);
  if (!value) {
    value = load();
    known.set(key, value);
    value.catch(() => known.delete(key));
  }
  return value;
}
