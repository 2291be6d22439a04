/**
 * Byte-level tokenizers (GPT-2 and all that follow it) write each byte as one printable character, so that a vocabulary can be
 * kept as JSON text. Printable Latin-1 stands for itself; the other 68 bytes are moved up to U+0100 and beyond, in order.
 */
function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

function buildAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>();
  let moved = 0;
  for (let byte = 0; byte < 256; byte++) {
    alphabet.set(String.fromCodePoint(isPrintable(byte) ? byte : 0x100 + moved++), byte);
  }
  return alphabet;
}

const byteOfCharacter = buildAlphabet();
const encoder = new TextEncoder();

/** The bytes a byte-level token stands for. A token with any character outside the alphabet stands for its own UTF-8. */
export function bytesOfByteLevelToken(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) return encoder.encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
