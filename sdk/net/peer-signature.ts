/** Signatures by the key behind a libp2p peer id. An Ed25519 peer id contains its public key, so nothing else is needed to check one. */
import { peerIdFromString } from '@libp2p/peer-id';

/** False for a peer id that carries no key, and for anything that is not its signature. */
export async function verifyPeerSignature(peer: string, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  try {
    const { publicKey } = peerIdFromString(peer);
    return publicKey !== undefined && (await publicKey.verify(message, signature));
  } catch {
    return false;
  }
}
