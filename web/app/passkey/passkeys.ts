/**
 * Passkeys of this site. One belongs to one account, whose 20 bytes it carries as its user handle, so that nobody has to remember
 * which: a device that holds the passkey finds the account again.
 */
import { bytesToHex, hexToBytes } from '../../../shared/protocol/bytes.ts';
import { VesselError } from '../../../shared/protocol/errors.ts';
import { accountOf } from '../../../shared/receipts/account.ts';
import type { Address } from '../../../shared/receipts/hex.ts';
import { shortAddress } from '../money/short-address.ts';
import type { Assertion } from './passkey-signature.ts';

/** COSE's name for P-256 with sha-256: the one kind that contracts check. */
const es256 = -7;
/** A person may have to find a phone first. */
const timeoutMs = 180_000;

export interface PasskeyAnswer {
  assertion: Assertion;
  credentialId: Uint8Array<ArrayBuffer>;
  /** null: not made by this page. */
  account: Address | null;
}

/** What keeps this browser from passkeys here, for people; null where nothing does. */
export function passkeyObstacle(): string | null {
  if (!isSecureContext || !('PublicKeyCredential' in globalThis)) return 'This browser has no passkeys here.';
  // A passkey belongs to a name, which a numeric address is not.
  if (/^[0-9.]+$|^\[/.test(location.hostname))
    return `Browsers make no passkeys for ${location.hostname}: they need a host name, on this machine localhost.`;
  return null;
}

/** Makes a passkey for the account and returns the account of its key. The person says yes with a finger, a face or a code. */
export async function createPasskey(account: Address): Promise<Address> {
  const name = `Vessel earnings of ${shortAddress(account)}`;
  const made = await ask(() =>
    navigator.credentials.create({
      publicKey: {
        rp: { name: 'Vessel' },
        user: { id: hexToBytes(account.slice(2))!, name, displayName: name },
        // What it signs now is looked at by nobody: the device's own key authorizes the new one.
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        pubKeyCredParams: [{ type: 'public-key', alg: es256 }],
        authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
        attestation: 'none',
        timeout: timeoutMs,
      },
    }),
  );
  const { response } = made as PublicKeyCredential & { response: AuthenticatorAttestationResponse };
  const key = response.getPublicKeyAlgorithm() === es256 ? response.getPublicKey() : null;
  if (key === null)
    throw new VesselError('unsupported', 'This passkey is of a kind that the chain cannot check. Try another device.');
  return accountOf(new Uint8Array(key));
}

/** Lets the person choose a passkey of this site, or takes the one named, to sign `challenge`. */
export async function askPasskey(
  challenge: Uint8Array<ArrayBuffer>,
  credentialId?: Uint8Array<ArrayBuffer>,
): Promise<PasskeyAnswer> {
  const found = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        challenge,
        userVerification: 'required',
        timeout: timeoutMs,
        ...(credentialId ? { allowCredentials: [{ type: 'public-key', id: credentialId }] } : {}),
      },
    }),
  );
  const { response, rawId } = found as PublicKeyCredential & { response: AuthenticatorAssertionResponse };
  const { authenticatorData, clientDataJSON, signature, userHandle } = response;
  return {
    assertion: {
      authenticatorData: new Uint8Array(authenticatorData),
      clientDataJSON: new Uint8Array(clientDataJSON),
      signature: new Uint8Array(signature),
    },
    credentialId: new Uint8Array(rawId),
    account: userHandle?.byteLength === 20 ? `0x${bytesToHex(new Uint8Array(userHandle))}` : null,
  };
}

async function ask(question: () => Promise<Credential | null>): Promise<Credential> {
  const credential = await question().catch((cause: unknown) => {
    const isDeclined = cause instanceof DOMException && cause.name === 'NotAllowedError';
    throw new VesselError(
      isDeclined ? 'cancelled' : 'unsupported',
      isDeclined
        ? 'Nothing was signed: it was declined or took too long, or no passkey of this site is at hand.'
        : `The browser could not use a passkey: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  });
  if (credential === null) throw new VesselError('cancelled', 'No passkey was chosen.');
  return credential;
}
