/** The body of a response, as long as it is not longer than it may be: a relay cannot fill its client's memory. */
import { VesselError } from '../protocol/errors.ts';

/** What `fetch` resolves to, as far as it is used here. */
interface WithBody {
  body: {
    getReader(): {
      read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
      cancel(): Promise<void>;
    };
  } | null;
}

/** Throws `bad_blob` beyond `most` bytes, before they are kept. */
export async function readBytes(response: WithBody, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.value && !part.done; part = await reader!.read()) {
    length += part.value.byteLength;
    if (length > most) {
      await reader!.cancel();
      throw new VesselError('bad_blob', `The relay sent more than the ${most} bytes that were asked for.`);
    }
    parts.push(part.value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
