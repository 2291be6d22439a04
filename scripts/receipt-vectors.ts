/**
 * Writes shared/receipts/vectors.json: one example of everything that is signed about money, with digest and signatures, and
 * contracts/test/ReceiptVectors.sol, the same as Solidity constants. Deterministic; the tests of both languages are held to it.
 *
 *     node scripts/receipt-vectors.ts            writes both
 *     node scripts/receipt-vectors.ts --check    fails if they are not what would be written
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { accountOf } from '../shared/receipts/account.ts';
import { fromHex, type StructName, toHex, typedDigest } from '../shared/receipts/eip712.ts';
import type { Address, Hex } from '../shared/receipts/hex.ts';
import { addressOf, signDigest } from '../shared/receipts/secp-signature.ts';
import { accountsDomain, type Domain, ledgerDomain, payrollDomain } from '../shared/receipts/typed-data.ts';

const place = {
  chainId: 31_337,
  ledger: `0x${'1e'.repeat(20)}`,
  payroll: `0x${'2f'.repeat(20)}`,
  accounts: `0x${'3a'.repeat(20)}`,
} as const;
const privateKey: Hex = `0x${'5a'.repeat(32)}`;
const devicePrivateKey: Hex = `0x${'6b'.repeat(32)}`;
const devicePoint = p256.getPublicKey(fromHex(devicePrivateKey, 32), false);
const device = { account: accountOf(devicePoint), x: toHex(devicePoint.slice(1, 33)), y: toHex(devicePoint.slice(33)) };
const signer = addressOf(privateKey);
const word = (text: string): Hex => `0x${text.repeat(64 / text.length)}`;
const someone = (byte: string): Address => `0x${byte.repeat(20)}`;

const cases: { name: string; type: StructName; domain: Domain; message: object; by: 'secp256k1' | 'p256' }[] = [
  {
    name: 'voucher',
    type: 'Voucher',
    domain: ledgerDomain(place),
    by: 'secp256k1',
    message: {
      payer: someone('c4'),
      total: 123_456_789_012_345_678_901n,
      payments: [
        { payee: device.account, cumulative: 100_000_000_000_000_000_001n },
        { payee: someone('d5'), cumulative: 23_456_789_012_345_678_900n },
      ],
    },
  },
  {
    name: 'authorization',
    type: 'Authorization',
    domain: ledgerDomain(place),
    by: 'secp256k1',
    message: { payer: signer, sessionKey: someone('e6'), cap: (1n << 96n) - 1n, expiry: 1_900_000_000 },
  },
  {
    name: 'receipt',
    type: 'HopReceipt',
    domain: ledgerDomain(place),
    by: 'p256',
    message: {
      session: `0x${'ab'.repeat(16)}${'00'.repeat(16)}`,
      model: word('c7'),
      account: device.account,
      fromLayer: 4,
      toLayer: 8,
      batch: 3,
      epoch: 0,
      promptPositions: 150,
      outputPositions: 32,
      amount: 984_128_000_000_000_000n,
      commitment: `0x${'9d'.repeat(8)}${'00'.repeat(24)}`,
    },
  },
  {
    name: 'credit',
    type: 'PayrollCredit',
    domain: payrollDomain(place),
    by: 'secp256k1',
    message: { operator: signer, account: device.account, cumulative: 7_000_000_000_000_000_007n, epoch: 42 },
  },
  {
    name: 'set-payout',
    type: 'SetPayout',
    domain: accountsDomain(place),
    by: 'p256',
    message: { account: device.account, payout: someone('f8'), nonce: 0n, deadline: 1_900_000_000n },
  },
  {
    name: 'add-key',
    type: 'AddKey',
    domain: accountsDomain(place),
    by: 'p256',
    message: { account: device.account, key: someone('f9'), nonce: 1n, deadline: 1_900_000_000n },
  },
];

const vectors = {
  about: 'Written by scripts/receipt-vectors.ts. Hashed by shared/receipts/vectors.test.ts and contracts/test/Vectors.t.sol.',
  place,
  keys: { secp256k1: { privateKey, address: signer }, p256: { privateKey: devicePrivateKey, ...device } },
  vectors: cases.map(({ name, type, domain, message, by }) => {
    const digest = typedDigest(domain, type, message);
    return {
      name,
      type,
      domain,
      message,
      digest,
      by,
      signature: by === 'p256' ? signAsDevice(digest) : signDigest(digest, privateKey),
    };
  }),
};

/** As WebCrypto does it, but with RFC 6979 and low s. */
function signAsDevice(digest: Hex): Hex {
  const options = { prehash: false, lowS: true } as const;
  return toHex(p256.sign(sha256(fromHex(digest, 32)), fromHex(devicePrivateKey, 32), options));
}

const json = `${JSON.stringify(vectors, (_key, value) => (typeof value === 'bigint' ? value.toString() : value), 2)}\n`;

const checked = (address: string) => `address(uint160(${BigInt(address)}))`;
const lines: string[] = [];
for (const { name, domain, digest, signature, by } of vectors.vectors) {
  const id = name.toUpperCase().replace('-', '_');
  lines.push(`bytes32 constant ${id}_DIGEST = ${digest};`);
  lines.push(`address constant ${id}_CONTRACT = ${checked(domain.verifyingContract)};`);
  if (by === 'secp256k1') {
    lines.push(`bytes constant ${id}_SIGNATURE = hex"${signature.slice(2)}";`);
  } else {
    lines.push(`bytes32 constant ${id}_R = 0x${signature.slice(2, 66)};`, `bytes32 constant ${id}_S = 0x${signature.slice(66)};`);
  }
}
const solidity = `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Written by scripts/receipt-vectors.ts from the same examples as shared/receipts/vectors.json.

uint256 constant CHAIN_ID = ${place.chainId};
address constant SIGNER = ${checked(signer)};
address constant DEVICE = ${checked(device.account)};
bytes32 constant DEVICE_X = ${device.x};
bytes32 constant DEVICE_Y = ${device.y};
${lines.join('\n')}
`;

const files = [
  [new URL('../shared/receipts/vectors.json', import.meta.url), json],
  [new URL('../contracts/test/ReceiptVectors.sol', import.meta.url), solidity],
] as const;
for (const [url, text] of files) {
  if (!process.argv.includes('--check')) writeFileSync(url, text);
  else if (readFileSync(url, 'utf8') !== text) {
    process.stdout.write(`${url.pathname.split('/').slice(-3).join('/')} is not what scripts/receipt-vectors.ts writes\n`);
    process.exitCode = 1;
  }
}
