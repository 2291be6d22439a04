/**
 * The relay's HTTP API with money, services and models around it, for inputs that come as requests. An answer is a finding when it
 * is no answer: a status of 5xx other than "not now", or a refusal that is not of the API's form.
 */
import { ok } from 'node:assert/strict';
import { errorCodes } from '../../shared/protocol/errors.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import { fakeMoney } from '../../testing/fake-money.ts';
import { FakeServices } from '../../testing/fake-services.ts';
import { httpRelay } from '../../testing/http-relay.ts';
import { payingAsker, testParty } from '../../testing/paid-relay.ts';

/** What a network without a tab or a chain says, and what is said of a provider that answers nonsense: all of that is right. */
const notNow = ['no_route', 'chain_unavailable', 'queue_full', 'bad_output'];
const minuteMs = 60_000;
const wallet = '0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1';

export async function fuzzedRelay() {
  const wallets = { verifyMessage: async () => true, verifyDigest: async () => true };
  const fake = await fakeMoney({ overrides: { wallets } });
  const services = new FakeServices();
  const source = await httpRelay();
  const settings = { requestsPerMinute: 1_000_000, maxBodyBytes: 64 * 1024 };
  const relay = await httpRelay({ settings, deps: { money: fake.money, services, askIds: payingAsker(source.asker.askIds) } });
  const { payer, sessionKey } = testParty;
  const payment = { payer, sessionKey, cap: '1', expiry: 2_000_000_000, spendLimit: null, isAuthorized: true };
  const { secret } = await relay.keys.create({ name: 'fuzz', payment });
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };

  /** Says what kind of answer came. Everything that the fakes remember is forgotten. */
  const send = async (path: string, init: RequestInit = {}): Promise<string> => {
    fake.payments.balances.set(`${payer}:${sessionKey}`, 10n ** 24n);
    const response = await relay.app.request(path, { headers, ...init });
    const text = await response.text();
    relay.time.advance(minuteMs);
    forget();
    return kindOf(response, text);
  };
  const forget = () => {
    for (const list of [
      relay.lines,
      relay.asker.requests,
      source.asker.requests,
      services.runs,
      fake.orders,
      fake.given,
      fake.calls,
    ]) {
      list.length = 0;
    }
    fake.payments.charged.length = 0;
    fake.x402.settled.length = 0;
    fake.x402.entries.clear();
  };

  let session = { token: '', endsMs: 0 };
  /** Headers of a wallet that is signed in. A session lives for an hour, which is sixty requests here. */
  const signedIn = async (): Promise<Record<string, string>> => {
    if (session.endsMs > relay.time.nowMs + 2 * minuteMs)
      return { authorization: `Bearer ${session.token}`, 'content-type': 'application/json' };
    const { nonce } = await (await relay.post('/v1/auth/nonce', {})).json();
    const issued = new Date(relay.time.nowMs).toISOString();
    const message = `localhost:8787 wants you to sign in with your Ethereum account:\n${wallet}\n\n\nURI: http://localhost:8787/\nVersion: 1\nChain ID: 31337\nNonce: ${nonce}\nIssued At: ${issued}`;
    const answer = await (await relay.post('/v1/auth/verify', { message, signature: '0x1234' })).json();
    session = { token: answer.token, endsMs: 1000 * answer.expires_at };
    return signedIn();
  };
  /** A key of that wallet. */
  const ownKey = async (): Promise<string> => {
    const own = {
      payer: wallet.toLowerCase() as Address,
      sessionKey,
      cap: '1000',
      expiry: 2_000_000_000,
      spendLimit: null,
      isAuthorized: true,
    };
    return (await relay.keys.create({ name: 'own', payment: own })).key.id;
  };
  return { send, headers, secret, signedIn, ownKey };
}

function kindOf(response: Response, text: string): string {
  const { status } = response;
  // To HEAD there is no body.
  if (status < 400 || text === '') return `${status}`;
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  const body = isJson ? JSON.parse(text) : {};
  if (body.jsonrpc === '2.0' || Array.isArray(body)) return `${status} rpc`;
  const { code, message, param } = body.error ?? {};
  ok(errorCodes.includes(code), `status ${status} without a code: ${text.slice(0, 200)}`);
  ok(status < 500 || notNow.includes(code), `status ${status}: ${text.slice(0, 300)}`);
  ok(text.length < 4096, `a refusal of ${text.length} characters`);
  return `${status} ${code} ${param ?? ''} ${message}`;
}
