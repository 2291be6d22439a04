/** Changes one field of a protobuf message, however deep it lies, and writes the lengths around it anew. */
type Below = (bound: number) => number;
interface Field {
  key: number;
  /** Varint, or bytes. */
  value: bigint | Uint8Array<ArrayBuffer>;
}

const oddNumbers = [
  0n,
  1n,
  2n,
  3n,
  4n,
  7n,
  127n,
  128n,
  4096n,
  65_536n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

export function mutateProtobuf(bytes: Uint8Array<ArrayBuffer>, below: Below): Uint8Array<ArrayBuffer> {
  const fields = parse(bytes);
  if (!fields || fields.length === 0) return bytes;
  const at = below(fields.length);
  const field = fields[at]!;
  if (typeof field.value !== 'bigint' && field.value.length > 1 && below(8) > 0) {
    field.value = mutateProtobuf(field.value, below);
    return write(fields);
  }
  switch (below(6)) {
    case 0:
      fields.splice(at, 1);
      break;
    case 1:
      fields.splice(at, 0, field);
      break;
    case 2:
      fields[at] = { ...field, key: (1 + below(16)) * 8 + (field.key & 7) };
      break;
    case 3:
      fields.splice(at, 0, ...Array.from({ length: 1 + below(200) }, () => field));
      break;
    default:
      if (typeof field.value === 'bigint')
        field.value = below(2) === 0 ? oddNumbers[below(oddNumbers.length)]! : BigInt(below(1000));
      else field.value = Uint8Array.from({ length: below(20) }, () => below(256));
  }
  return write(fields);
}

/** Null for what is no message. */
function parse(bytes: Uint8Array<ArrayBuffer>): Field[] | null {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint | null => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) return null;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    return null;
  };
  while (at < bytes.length) {
    const key = varint();
    if (key === null || key > 0xffffn) return null;
    const kind = Number(key) & 7;
    const number = kind === 0 || kind === 2 ? varint() : null;
    if (number === null) return null;
    if (kind === 2) {
      if (number > BigInt(bytes.length - at)) return null;
      fields.push({ key: Number(key), value: bytes.slice(at, at + Number(number)) });
      at += Number(number);
    } else fields.push({ key: Number(key), value: number });
  }
  return fields;
}

function write(fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  for (const { key, value } of fields) {
    varint(BigInt(key), out);
    if (typeof value === 'bigint') varint(value, out);
    else {
      varint(BigInt(value.length), out);
      for (const byte of value) out.push(byte);
    }
  }
  return Uint8Array.from(out);
}

function varint(value: bigint, out: number[]): void {
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
}
