/**
 * EIP-712 hashing of the structs in `typed-data.ts`. Own code because it runs for every batch on every hop: a general library
 * checks and rebuilds its types each time, which costs more than the signature. `vectors.json` and viem hold it to the standard.
 */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes } from '../protocol/bytes.ts';
import type { Hex } from './hex.ts';
import { type Domain, typedData } from './typed-data.ts';

export type StructName = keyof typeof typedData;

const encoder = new TextEncoder();
const typeHashes = new Map<StructName, Uint8Array>();
const separators = new Map<string, Uint8Array>();

/** What is signed. */
export function typedDigest(domain: Domain, name: StructName, message: object): Hex {
  const prefix = Uint8Array.of(0x19, 0x01);
  return toHex(keccak_256(concatBytes([prefix, domainSeparator(domain), hashStruct(name, message)])));
}

export function hashStruct(name: StructName, message: object): Uint8Array {
  const values = message as Record<string, unknown>;
  const words = typedData[name].map(({ name: field, type }) => encodeField(type, values[field]));
  return keccak_256(concatBytes([typeHash(name), ...words]));
}

/** The type as EIP-712 writes it, followed by the types it uses. */
export function encodeType(name: StructName): string {
  const fields = typedData[name];
  const used = fields.flatMap(({ type }) => (type.endsWith('[]') ? [type.slice(0, -2) as StructName] : []));
  return `${name}(${fields.map(({ type, name: field }) => `${type} ${field}`).join(',')})${used.map(encodeType).join('')}`;
}

export function toHex(bytes: Uint8Array): Hex {
  return `0x${bytesToHex(bytes)}`;
}

/** Throws RangeError for what is not lower-case hex of `length` bytes. */
export function fromHex(text: string, length: number): Uint8Array<ArrayBuffer> {
  const bytes = text.startsWith('0x') ? hexToBytes(text.slice(2)) : null;
  if (bytes?.length !== length) throw new RangeError(`not ${length} bytes in hex: ${text.slice(0, 80)}`);
  return bytes;
}

function encodeField(type: string, value: unknown): Uint8Array {
  if (type.endsWith('[]')) {
    const items = value as object[];
    return keccak_256(concatBytes(items.map((item) => hashStruct(type.slice(0, -2) as StructName, item))));
  }
  if (type === 'bytes32') return fromHex(value as string, 32);
  if (type === 'address') return concatBytes([new Uint8Array(12), fromHex(value as string, 20)]);
  return encodeUint(BigInt(value as number | bigint), Number(type.slice('uint'.length)));
}

function encodeUint(value: bigint, bits: number): Uint8Array {
  if (value < 0n || value >> BigInt(bits) !== 0n) throw new RangeError(`${value} is not a uint${bits}`);
  return hexToBytes(value.toString(16).padStart(64, '0'))!;
}

function typeHash(name: StructName): Uint8Array {
  let hash = typeHashes.get(name);
  if (!hash) {
    hash = keccak_256(encoder.encode(encodeType(name)));
    typeHashes.set(name, hash);
  }
  return hash;
}

function domainSeparator({ name, version, chainId, verifyingContract }: Domain): Uint8Array {
  const key = `${name} ${version} ${chainId} ${verifyingContract}`;
  let separator = separators.get(key);
  if (!separator) {
    const type = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';
    separator = keccak_256(
      concatBytes([
        ...[type, name, version].map((text) => keccak_256(encoder.encode(text))),
        encodeUint(BigInt(chainId), 256),
        encodeField('address', verifyingContract),
      ]),
    );
    // A process speaks to one chain, a test to a few.
    if (separators.size > 64) separators.clear();
    separators.set(key, separator);
  }
  return separator;
}
