export interface TensorToWrite {
  name: string;
  /** As safetensors spells it, e.g. "BF16". */
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

/** A safetensors file. `alterHeader` lets a test damage the header without damaging the rest. */
export function encodeSafetensors(
  tensors: TensorToWrite[],
  alterHeader: (header: Record<string, unknown>) => void = () => {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  alterHeader(header);
  const text = JSON.stringify(header);
  // Padded with spaces so that the tensors start at a multiple of 8.
  const headerBytes = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const file = new Uint8Array(8 + headerBytes.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes.length), true);
  file.set(headerBytes, 8);
  let offset = 8 + headerBytes.length;
  for (const { bytes } of tensors) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}
