/** JSON-RPC bodies of POST /v1/chain. */
import type { TextTarget } from '../engine/target.ts';
import { fuzzedRelay } from '../samples/fuzzed-relay.ts';

const { send } = await fuzzedRelay();

export const target: TextTarget = {
  name: 'http-chain',
  form: 'json',
  maxLength: 64 * 1024,
  seeds: [
    { jsonrpc: '2.0', id: 1, method: 'eth_call', params: [{ to: '0x00', data: '0x' }, 'latest'] },
    [
      { jsonrpc: '2.0', id: 'a', method: 'eth_chainId' },
      { jsonrpc: '2.0', id: null, method: 'eth_sign', params: [] },
    ],
  ].map((body) => JSON.stringify(body)),
  refusals: [],
  decode: (body) => send('/v1/chain', { method: 'POST', body }),
};
