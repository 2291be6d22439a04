/**
 * EIP-712 hashing of the structs in `typed-data.ts`. Own code because it runs for every batch on every hop: a general library
 * checks and rebuilds its types each time, which costs more than the signature. `vectors.json` and viem hold it to the standard.
 */
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex } from '../protocol/bytes.ts';
import type { Hex } from './hex.ts';
import { type Domain, typedData } from './typed-data.ts';

export type StructName = keyof typeof typedData;

const encoder = new TextEncoder();
const typeHashes = new Map<StructName, Uint8Array>();
const separators = new Map<string, Uint8Array>();

/** What is signed. */
export function typedDigest(domain: Domain, name: StructName, message: object): Hex {
  const data = new Uint8Array(2 + 64);
  data.set([0x19, 0x01]);
  data.set(domainSeparator(domain), 2);
  data.set(hashStruct(name, message), 2 + 32);
  return toHex(keccak_256(data));
}

export function hashStruct(name: StructName, message: object): Uint8Array {
  const values = message as Record<string, unknown>;
  const fields = typedData[name];
  const words = new Uint8Array(32 * (1 + fields.length));
  words.set(typeHash(name));
  for (const [index, { name: field, type }] of fields.entries()) writeField(words, 32 * (1 + index), type, values[field]);
  return keccak_256(words);
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
  const bytes = new Uint8Array(length);
  writeHex(bytes, 0, text, length);
  return bytes;
}

function writeHex(bytes: Uint8Array, at: number, text: string, length: number): void {
  const isHex = text.length === 2 + 2 * length && text.startsWith('0x');
  for (let i = 0; i < length; i++) {
    const high = isHex ? hexDigit(text.charCodeAt(2 + 2 * i)) : -1;
    const low = isHex ? hexDigit(text.charCodeAt(3 + 2 * i)) : -1;
    if (high < 0 || low < 0) throw new RangeError(`not ${length} bytes in hex: ${text.slice(0, 80)}`);
    bytes[at + i] = 16 * high + low;
  }
}

/** −1 for what is none; capitals are none. */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : -1;
}

/** Writes the 32 bytes that stand for `value`, at `at`; they are zeros so far. */
function writeField(words: Uint8Array, at: number, type: string, value: unknown): void {
  if (type.endsWith('[]')) words.set(hashItems(type.slice(0, -2) as StructName, value as object[]), at);
  else if (type === 'bytes32') writeHex(words, at, value as string, 32);
  else if (type === 'address') writeHex(words, at + 12, value as string, 20);
  else writeUint(words, at, BigInt(value as number | bigint), Number(type.slice('uint'.length)));
}

function hashItems(name: StructName, items: readonly object[]): Uint8Array {
  const hashes = new Uint8Array(32 * items.length);
  for (const [index, item] of items.entries()) hashes.set(hashStruct(name, item), 32 * index);
  return keccak_256(hashes);
}

function writeUint(words: Uint8Array, at: number, value: bigint, bits: number): void {
  if (value < 0n || value >> BigInt(bits) !== 0n) throw new RangeError(`${value} is not a uint${bits}`);
  const view = new DataView(words.buffer, at, 32);
  for (let rest = value, end = 24; rest > 0n; rest >>= 64n, end -= 8) view.setBigUint64(end, BigInt.asUintN(64, rest));
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
    const words = new Uint8Array(32 * 5);
    for (const [index, text] of [type, name, version].entries()) words.set(keccak_256(encoder.encode(text)), 32 * index);
    writeField(words, 96, 'uint256', chainId);
    writeField(words, 128, 'address', verifyingContract);
    separator = keccak_256(words);
    // A process speaks to one chain, a test to a few.
    if (separators.size > 64) separators.clear();
    separators.set(key, separator);
  }
  return separator;
}
