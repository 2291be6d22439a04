/**
 * The protobuf wire format, reading: a message is a list of fields, each with a number and either an integer or bytes (a string,
 * a packed list or a message inside). Fixed 32- and 64-bit fields are given as their bytes.
 */
export type ProtoField = { field: number; kind: 'int'; value: bigint } | { field: number; kind: 'bytes'; value: Uint8Array };

/** Thrown for bytes that are no protobuf message. */
export class ProtobufError extends Error {}

export function* readProtobuf(bytes: Uint8Array): Generator<ProtoField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new ProtobufError('the file ends in the middle of a number');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError('a number is longer than 64 bits');
  };
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new ProtobufError('the file ends in the middle of a field');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const field = Number(key >> 3n);
    if (field === 0) throw new ProtobufError('a field has the number 0');
    switch (Number(key & 7n)) {
      case 0:
        yield { field, kind: 'int', value: varint() };
        break;
      case 1:
        yield { field, kind: 'bytes', value: take(8) };
        break;
      case 2:
        yield { field, kind: 'bytes', value: take(Number(varint())) };
        break;
      case 5:
        yield { field, kind: 'bytes', value: take(4) };
        break;
      default:
        throw new ProtobufError(`field ${field} has an unknown encoding`);
    }
  }
}

/** Fields of a message by number, as a caller that knows the message reads them. */
export class ProtoFields {
  readonly #fields: ProtoField[];

  constructor(bytes: Uint8Array) {
    this.#fields = [...readProtobuf(bytes)];
  }

  /** Every bytes field of this number. */
  all(field: number): Uint8Array[] {
    return this.#fields.flatMap((entry) => (entry.field === field && entry.kind === 'bytes' ? [entry.value] : []));
  }

  messages(field: number): ProtoFields[] {
    return this.all(field).map((bytes) => new ProtoFields(bytes));
  }

  /** The last one counts, as protobuf says. */
  string(field: number): string {
    const bytes = this.all(field).at(-1);
    return bytes ? new TextDecoder().decode(bytes) : '';
  }

  /** null when absent. */
  int(field: number): bigint | null {
    const entry = this.#fields.findLast((candidate) => candidate.field === field && candidate.kind === 'int');
    return entry?.kind === 'int' ? BigInt.asIntN(64, entry.value) : null;
  }
}
