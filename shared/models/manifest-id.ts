import { VesselError } from '../protocol/errors.ts';
import { canonicalJson } from './canonical-json.ts';
import { rawCid } from './content-id.ts';
import { type Manifest, manifestSchema } from './manifest.ts';

/** The bytes a model's id is the hash of. */
export function manifestBytes(manifest: Manifest): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson(manifest));
}

/** CIDv1 (raw, sha2-256) of the manifest's canonical JSON: the model's id. */
export function manifestId(manifest: Manifest): string {
  return rawCid(manifestBytes(manifest));
}

/** The manifest in bytes that claim to be model `id`. Throws `bad_blob` if they are not. */
export function requireManifest(bytes: Uint8Array, id: string): Manifest {
  if (rawCid(bytes) !== id) throw new VesselError('bad_blob', `The manifest received is not that of model ${id}.`);
  try {
    return manifestSchema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    throw new VesselError('bad_blob', `The manifest of model ${id} is not one this version understands.`, { cause });
  }
}
