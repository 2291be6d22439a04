import assert from 'node:assert/strict';
import { test } from 'node:test';
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { toFunctionSelector } from 'viem';
import { concatBytes } from '../../../shared/protocol/bytes.ts';
import { toHex } from '../../../shared/receipts/eip712.ts';
import { selector } from './is-key-of.ts';
import { type Assertion, readProof, signersOf } from './passkey-signature.ts';

/** As an authenticator signs; half of these have a high s. */
function assertionOf(secret: Uint8Array, challenge: string): Assertion {
  const clientDataJSON = new TextEncoder().encode(
    JSON.stringify({ type: 'webauthn.get', challenge, origin: 'https://vessel.example', crossOrigin: false }),
  );
  const authenticatorData = concatBytes([sha256(new TextEncoder().encode('vessel.example')), Uint8Array.of(5, 0, 0, 0, 1)]);
  const message = concatBytes([authenticatorData, sha256(clientDataJSON)]);
  return { authenticatorData, clientDataJSON, signature: p256.sign(message, secret, { format: 'der', lowS: false }) };
}

test('a signature gives back two keys at most, one of which made it, and a proof with a low s that still verifies', () => {
  const half = p256.Point.Fn.ORDER / 2n;
  let high = 0;
  for (let i = 0; i < 24; i++) {
    const secret = p256.utils.randomSecretKey();
    const point = p256.getPublicKey(secret, false);
    const assertion = assertionOf(secret, `challenge-${i}`);
    const signers = signersOf(assertion);
    assert.ok(signers.length <= 2);
    assert.ok(signers.some(({ x, y }) => x === toHex(point.slice(1, 33)) && y === toHex(point.slice(33))));

    const { r, s, challengeIndex, typeIndex, clientDataJSON, authenticatorData } = readProof(assertion);
    if (p256.Signature.fromBytes(assertion.signature, 'der').hasHighS()) high += 1;
    assert.ok(BigInt(s) <= half);
    const message = concatBytes([assertion.authenticatorData, sha256(assertion.clientDataJSON)]);
    assert.ok(p256.verify(new p256.Signature(BigInt(r), BigInt(s)).toBytes('compact'), message, point));
    assert.ok(clientDataJSON.slice(Number(challengeIndex)).startsWith(`"challenge":"challenge-${i}"`));
    assert.ok(clientDataJSON.slice(Number(typeIndex)).startsWith('"type":"webauthn.get"'));
    assert.equal(authenticatorData, toHex(assertion.authenticatorData));
  }
  assert.ok(high > 0 && high < 24, 'both kinds of s were tried');
});

test('the selector that the page calls by hand is that of isKeyOf', () => {
  assert.equal(selector, toFunctionSelector('isKeyOf(address,address)'));
});
