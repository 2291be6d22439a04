/** A stranger's peer id and signature, `peer signature-in-hex`: false for everything that is not right. */
import { verifyPeerSignature } from '../../sdk/net/peer-signature.ts';
import type { TextTarget } from '../engine/target.ts';

const message = new TextEncoder().encode('vessel hello');

export const target: TextTarget = {
  name: 'peer-signature',
  form: 'text',
  maxLength: 600,
  seeds: [
    `12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf ${'00'.repeat(64)}`,
    `QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N ${'01'.repeat(64)}`,
    `16Uiu2HAmMrpUyPjdDZtKAPJbLVUHAKsGTZVLvTiQG2DGZ3xJ6Wkx ${'02'.repeat(64)}`,
    ' ',
  ],
  refusals: [],
  async decode(text) {
    const [peer = '', hex = ''] = text.split(' ');
    return String(await verifyPeerSignature(peer, message, Buffer.from(hex, 'hex')));
  },
};
