import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { base64url } from 'multiformats/bases/base64';
import { type Hex, hashTypedData, recoverAddress } from 'viem';
import { deviceKey, generateKeyPair, verifySignature } from '../../sdk/net/device-key.ts';
import { oneKeyVerifier } from '../../sdk/paying/one-key-verifier.ts';
import type { ReceiptMessage } from '../protocol/payment-types.ts';
import { accountOf } from './account.ts';
import { answerReceiptHash } from './answer-receipt.ts';
import { deviceKeyPoint, isReceiptSigned, ReceiptCheck, signReceipt, signWithDevice } from './device-signature.ts';
import { fromHex, type StructName, typedDigest } from './eip712.ts';
import { recoverSigner, SignerCheck, signDigest } from './secp-signature.ts';
import { type Domain, type HopReceipt, typedData } from './typed-data.ts';

interface Vector {
  name: string;
  type: StructName;
  domain: Domain;
  message: Record<string, unknown>;
  digest: Hex;
  by: 'secp256k1' | 'p256';
  signature: Hex;
}

const file = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8'));
const vectors = file.vectors as Vector[];
const { secp256k1, p256 } = file.keys;
const place = file.place;

/** Amounts are text in the file. */
function withBigints(vector: Vector): Record<string, unknown> {
  const revive = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(revive);
    if (value !== null && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
    return typeof value === 'string' && /^[0-9]+$/.test(value) ? BigInt(value) : value;
  };
  return revive(vector.message) as Record<string, unknown>;
}

/** SubjectPublicKeyInfo of a point. */
function spki(x: string, y: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(`3059301306072a8648ce3d020106082a8648ce3d03010703420004${x.slice(2)}${y.slice(2)}`, 'hex'));
}

for (const vector of vectors) {
  test(`[PY10] ${vector.name} hashes and signs as written in vectors.json, and as viem does it`, async () => {
    const message = withBigints(vector);
    assert.equal(typedDigest(vector.domain, vector.type, message), vector.digest);
    const types = { [vector.type]: typedData[vector.type], Payment: typedData.Payment };
    const expected = hashTypedData({ domain: vector.domain, types, primaryType: vector.type, message } as never);
    assert.equal(expected, vector.digest);
    if (vector.by === 'secp256k1') {
      assert.equal(signDigest(vector.digest, secp256k1.privateKey), vector.signature);
      assert.equal(recoverSigner(vector.digest, vector.signature), secp256k1.address);
      assert.equal((await recoverAddress({ hash: vector.digest, signature: vector.signature })).toLowerCase(), secp256k1.address);
    } else {
      const key = spki(p256.x, p256.y);
      assert.equal(accountOf(key), p256.account);
      assert.equal(await verifySignature(key, fromHex(vector.digest, 32), fromHex(vector.signature, 64)), true);
    }
  });
}

test('every field of every struct counts', () => {
  for (const vector of vectors) {
    const message = withBigints(vector);
    for (const { name, type } of typedData[vector.type] as readonly { name: string; type: string }[]) {
      const other =
        type === 'address' ? `0x${'01'.repeat(20)}` : type === 'bytes32' ? `0x${'01'.repeat(32)}` : type.endsWith('[]') ? [] : 77;
      assert.notEqual(
        typedDigest(vector.domain, vector.type, { ...message, [name]: other }),
        vector.digest,
        `${vector.type}.${name}`,
      );
    }
  }
});

test('what does not fit its type is a RangeError and never another number', () => {
  const [voucher] = vectors as [Vector];
  const message = withBigints(voucher);
  for (const total of [-1n, 1n << 96n]) {
    assert.throws(() => typedDigest(voucher.domain, 'Voucher', { ...message, total }), RangeError);
  }
  for (const payer of ['0x12', `0x${'0'.repeat(41)}`, 'x', `0x${'zz'.repeat(20)}`]) {
    assert.throws(() => typedDigest(voucher.domain, 'Voucher', { ...message, payer }), RangeError);
  }
});

test('a signature is taken once in each spelling, and not with high s, another v or another length', () => {
  const { digest, signature } = vectors[0]!;
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const r = signature.slice(2, 66);
  const s = BigInt(`0x${signature.slice(66, 130)}`);
  const v = Number.parseInt(signature.slice(130), 16);
  const hex = (value: bigint) => value.toString(16).padStart(64, '0');
  const compact: Hex = `0x${r}${hex(s | (BigInt(v - 27) << 255n))}`;
  const bad: Hex[] = [
    `0x${r}${hex(order - s)}${(55 - v).toString(16)}`,
    `0x${r}${hex(s)}${(55 - v).toString(16)}`,
    `0x${r}${hex(s)}00`,
    `0x${'0'.repeat(64)}${hex(s)}1b`,
    `0x${r}${'0'.repeat(64)}1b`,
    '0x',
    `0x${'f'.repeat(130)}`,
  ];
  const check = new SignerCheck(secp256k1.address);
  // First by recovery, then with the key learnt, then with its table: three good ones in a round, and the bad ones.
  for (let round = 0; round < 8; round++) {
    for (const other of bad) {
      assert.equal(check.signed(digest, other), false, other);
      assert.notEqual(recoverSigner(digest, other), secp256k1.address);
    }
    assert.equal(check.signed(digest, compact), true);
    assert.equal(check.signed(digest, signature), true);
    assert.equal(check.signed(vectors[1]!.digest, signature), false);
  }
});

test('[PY5] a receipt counts only with the low-s signature of the key whose account it names', async () => {
  const key = await deviceKey(await generateKeyPair());
  const receipt = { ...withBigints(vectors[2]!), account: accountOf(key.publicKey) } as unknown as HopReceipt;
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const check = new ReceiptCheck(place, oneKeyVerifier());
  // WebCrypto gives high s about every second time.
  for (let i = 0; i < 8; i++) {
    const signed = await signReceipt(place, receipt, key);
    assert.equal(await isReceiptSigned(place, signed, verifySignature), true);
    assert.equal(await check.signed(signed), true);
    const s = BigInt(`0x${signed.signature.slice(66)}`);
    assert.ok(s <= order / 2n);
    const high: Hex = `0x${signed.signature.slice(2, 66)}${(order - s).toString(16).padStart(64, '0')}`;
    const wrong: ReceiptMessage[] = [
      { ...signed, signature: high },
      { ...signed, receipt: { ...receipt, amount: receipt.amount + 1n } },
      { ...signed, receipt: { ...receipt, account: p256.account } },
      { ...signed, key: base64url.baseEncode(spki(p256.x, p256.y)) },
      { ...signed, key: `${signed.key}AA` },
      { ...signed, key: 'AAAA' },
    ];
    for (const bad of wrong) {
      assert.equal(await isReceiptSigned(place, bad, verifySignature), false);
      assert.equal(await check.signed(bad), false);
    }
    assert.equal(await isReceiptSigned({ ...place, chainId: 1 }, signed, verifySignature), false);
    assert.deepEqual(deviceKeyPoint(signed.key)?.x.length, 66);
  }
  assert.equal((await signWithDevice(vectors[2]!.digest, key)).length, 130);
});

test('the hash of an answer is that of its papers, in whatever order they and their fields come', () => {
  const a = { receipt: withBigints(vectors[2]!), key: 'a', signature: '0x1' } as unknown as ReceiptMessage;
  const b = { signature: '0x2', key: 'b', receipt: withBigints(vectors[2]!) } as unknown as ReceiptMessage;
  const swapped = { key: 'b', receipt: withBigints(vectors[2]!), signature: '0x2' } as unknown as ReceiptMessage;
  assert.equal(answerReceiptHash([a, b], []), answerReceiptHash([swapped, a, a], []));
  assert.notEqual(answerReceiptHash([a, b], []), answerReceiptHash([a], []));
});
