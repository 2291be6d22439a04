import { VesselError } from '../../shared/protocol/errors.ts';

export interface HubReference {
  org: string;
  name: string;
  /** Branch, tag or commit; `main` if the reference names none. */
  revision: string;
}

const part = '[A-Za-z0-9][A-Za-z0-9._-]{0,95}';
const pattern = new RegExp(`^hf:(${part})/(${part})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{0,199}))?$`);

/** `hf:org/name[@revision]`, or null if the text is not written so. */
export function parseHubReference(text: string): HubReference | null {
  const match = pattern.exec(text);
  if (!match) return null;
  return { org: match[1]!, name: match[2]!, revision: match[3] ?? 'main' };
}

/** Like parseHubReference; throws `bad_request` on anything else. */
export function requireHubReference(text: string): HubReference {
  const reference = parseHubReference(text);
  if (reference) return reference;
  throw new VesselError('bad_request', `"${text}" is not a hub model. Write hf:org/name or hf:org/name@revision.`);
}
