/** Hands the contracts' source to a block explorer with an Etherscan-like API and waits for its verdict. */
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Hex } from '../../shared/receipts/hex.ts';

export interface SourceToVerify {
  chainId: number;
  address: Hex;
  /** `contracts/src/AIC.sol:AIC`. */
  contractName: string;
  /** As the compiler took it. */
  standardJson: string;
  /** `v0.8.37+commit.…`. */
  compilerVersion: string;
  constructorArguments: Hex;
}

const answerSchema = z.looseObject({ status: z.string(), result: z.string() });
const triesAtMost = 60;

/** Resolves to the explorer's words. Throws `bad_request` with them when it refuses. */
export async function verifySource(
  apiUrl: string,
  source: SourceToVerify,
  { apiKey = '', pollMs = 2_000, signal }: { apiKey?: string | undefined; pollMs?: number; signal?: AbortSignal } = {},
): Promise<string> {
  const form = new URLSearchParams({
    module: 'contract',
    action: 'verifysourcecode',
    chainid: String(source.chainId),
    contractaddress: source.address,
    sourceCode: source.standardJson,
    codeformat: 'solidity-standard-json-input',
    contractname: source.contractName,
    compilerversion: source.compilerVersion,
    // The API's own spelling; newer ones take the right one too.
    constructorArguements: source.constructorArguments.slice(2),
    constructorArguments: source.constructorArguments.slice(2),
    apikey: apiKey,
  });
  const submitted = await ask(apiUrl, { method: 'POST', body: form }, signal);
  if (isVerified(submitted.result)) return submitted.result;
  if (submitted.status !== '1') throw refused(source, submitted.result);
  const query = new URLSearchParams({
    module: 'contract',
    action: 'checkverifystatus',
    chainid: String(source.chainId),
    guid: submitted.result,
    apikey: apiKey,
  });
  const statusUrl = `${apiUrl}${apiUrl.includes('?') ? '&' : '?'}${query}`;
  for (let tried = 0; tried < triesAtMost; tried += 1) {
    const { status, result } = await ask(statusUrl, {}, signal);
    if (status === '1' || isVerified(result)) return result;
    if (!/pending|queue/i.test(result)) throw refused(source, result);
    await wait(pollMs, undefined, signal ? { signal } : {});
  }
  throw refused(source, 'it has not answered in time');
}

const isVerified = (result: string) => /already verified/i.test(result);

function refused({ contractName, address }: SourceToVerify, words: string): VesselError {
  return new VesselError('bad_request', `The explorer does not verify ${contractName} at ${address}: ${words}`);
}

async function ask(url: string, init: RequestInit, signal: AbortSignal | undefined): Promise<z.infer<typeof answerSchema>> {
  try {
    const response = await fetch(url, { ...init, ...(signal ? { signal } : {}) });
    return answerSchema.parse(await response.json());
  } catch (cause) {
    throw new VesselError('chain_unavailable', `The explorer at ${new URL(url).origin} does not answer as expected.`, { cause });
  }
}
