/** Device keys and other base64url text of strangers: null or bytes, never a throw; one key has one spelling. */
import { equal, match } from 'node:assert/strict';
import { fromBase64url, toBase64url } from '../../sdk/net/base64url.ts';
import { hexToBytes } from '../../shared/protocol/bytes.ts';
import { deviceKeyPoint } from '../../shared/receipts/device-signature.ts';
import type { TextTarget } from '../engine/target.ts';

const spki = `3059301306072a8648ce3d020106082a8648ce3d03010703420004${'01'.repeat(32)}${'02'.repeat(32)}`;

export const target: TextTarget = {
  name: 'device-key',
  form: 'text',
  maxLength: 400,
  seeds: [Buffer.from(spki, 'hex').toString('base64url'), 'AAAA', 'A', '', spki, 'MFkw=='],
  refusals: [],
  decode(text) {
    const point = deviceKeyPoint(text);
    if (point) for (const word of [point.x, point.y]) match(word, /^0x[0-9a-f]{64}$/);
    const bytes = fromBase64url(text);
    if (bytes) equal(toBase64url(fromBase64url(toBase64url(bytes))!), toBase64url(bytes));
    return `${point === null} ${bytes === null} ${hexToBytes(text) === null}`;
  },
};
