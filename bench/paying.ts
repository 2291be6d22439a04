/**
 * What paying costs: the processor's time for signing and checking, as a part of its time for the work that is paid for, over all
 * threads. First whole answers, in which every party, its messages and its books count; then the signatures alone, one by one.
 *
 *     node bench/paying.ts [folder of a checkpoint]
 *
 * vessel-tiny is the worst case, as no network has faster work; then SmolLM2-135M's shape with random weights, or the folder given.
 */
import { loadOrtNode } from '../provider/runtime/load-ort-node.ts';
import { createOrtRuntime } from '../provider/runtime/ort-runtime.ts';
import { oneKeyVerifier } from '../sdk/paying/one-key-verifier.ts';
import type { CheckpointSource } from '../shared/models/checkpoint-source.ts';
import { convertCheckpoint } from '../shared/models/convert-checkpoint.ts';
import { limits } from '../shared/protocol/limits.ts';
import { ReceiptCheck, signReceipt } from '../shared/receipts/device-signature.ts';
import { receiptDigest, voucherDigest } from '../shared/receipts/digests.ts';
import { recoverSigner, SignerCheck, signDigest } from '../shared/receipts/secp-signature.ts';
import type { HopReceipt, Voucher } from '../shared/receipts/typed-data.ts';
import { folderCheckpoint, memoryCheckpoint } from '../testing/checkpoint-folder.ts';
import { address, networkTerms } from '../testing/fake-chain.ts';
import { MemoryBlobs } from '../testing/memory-blobs.ts';
import { randomCheckpoint } from '../testing/random-checkpoint.ts';
import { evenCuts, loadChain } from '../testing/shard-chain.ts';
import { cpuMs, hopAlone, type PaidHop, paidAnswer, paidHop, sessionKey, voucherPayer } from './paid-answer.ts';

const hops = 3;
/** Per output batch: the next one is promised when `outputRefill` positions are left of it. */
const vouchers = limits.outputBatch / (limits.outputBatch - limits.outputRefill);
const ort = await loadOrtNode({ threads: 1 });
const say = (line: string) => process.stdout.write(`${line}\n`);
const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(2)} %`;

const route = await Promise.all(Array.from({ length: hops }, (_, index) => paidHop(index)));
const asker = voucherPayer();
const length = { chunks: 4, batches: 16 };
const answers = await repeat(7, () => paidAnswer(route, asker, length));
const replayed = await paidHop(0, route[0]!.key);
const replays = answers.map((answer) => () => hopAlone(replayed, answer, length));
const paying = {
  output: least(answers.map(({ output }) => output)),
  prompt: least(answers.map(({ prompt }) => prompt)),
  hop: least(await inTurn(replays)),
};
say(`Paying ${hops} hops that know the session key, in milliseconds of processor time, messages and books included:`);
say(`  ${limits.outputBatch} positions of output: ${paying.output.toFixed(2)}, of which each hop ${paying.hop.toFixed(2)}`);
say(`  ${limits.prefillChunk} positions of prompt: ${paying.prompt.toFixed(2)}`);
say('Signing and checking alone:');
const signing = await signatures(route[0]!);
say(
  `  for ${limits.outputBatch} positions of output: ${signing.all.toFixed(2)} ms, of which each hop ${signing.hop.toFixed(2)} ms`,
);

await compare('vessel-tiny', folderCheckpoint(new URL('../public/models/vessel-tiny', import.meta.url).pathname));
const folder = process.argv[2];
if (folder !== undefined) await compare(folder, folderCheckpoint(folder));
else await compare("SmolLM2-135M's shape", memoryCheckpoint(randomCheckpoint(smollm2())));

/** The work of one model beside what paying for it costs. */
async function compare(name: string, checkpoint: CheckpointSource): Promise<void> {
  const blobs = new MemoryBlobs();
  const { manifest } = await convertCheckpoint(checkpoint, { name, dtype: 'f32', origin: 'bench' }, blobs);
  const context = limits.prefillChunk + limits.outputBatch;
  const cuts = evenCuts(manifest.architecture.layers, hops);
  const chain = await loadChain(manifest, blobs, cuts, (shard, reader) =>
    createOrtRuntime({ ort, backend: 'wasm', shard, blobs: reader, context }),
  );
  const works = await repeat(7, async () => {
    const session = chain.open(context);
    let began = process.cpuUsage();
    await session.step(Array.from({ length: limits.prefillChunk }, (_, index) => index + 1));
    const prompt = cpuMs(began);
    began = process.cpuUsage();
    for (let token = 0; token < limits.outputBatch; token++) await session.step([token + 1]);
    const output = cpuMs(began);
    session.release();
    return { prompt, output };
  });
  await chain.dispose();
  const output = least(works.map((work) => work.output));
  const prompt = least(works.map((work) => work.prompt));
  say(`${name}: what paying costs, as a part of the work (and signing and checking alone)`);
  const alone = (part: number, whole: number) => `(${percent(part, whole)})`;
  say(`  a batch of output, ${output.toFixed(0)} ms: ${percent(paying.output, output)} ${alone(signing.all, output)}`);
  const own = output / hops;
  say(`    one hop of it, ${own.toFixed(0)} ms: ${percent(paying.hop, own)} ${alone(signing.hop, own)}`);
  say(`  a chunk of the prompt, ${prompt.toFixed(0)} ms: ${percent(paying.prompt, prompt)} ${alone(signing.chunk, prompt)}`);
}

/** What is signed and checked, one by one. Milliseconds per output batch, of all and of one hop, and per chunk of the prompt. */
async function signatures({ key, metering: { account } }: PaidHop): Promise<{ all: number; hop: number; chunk: number }> {
  const terms = networkTerms();
  const vouchersOf = Array.from({ length: 200 }, (_, at): Voucher => {
    const amount = 10n ** 18n + BigInt(at);
    const payments = Array.from({ length: hops + 2 }, (_, index) => ({ payee: address(index + 1), cumulative: amount }));
    return { payer: address(0xaa), total: 5n * amount, payments };
  });
  const digests = vouchersOf.map((voucher) => voucherDigest(terms, voucher));
  const voucherSignatures = digests.map((digest) => signDigest(digest, sessionKey.privateKey));
  const receipts = vouchersOf.map(
    ({ total }, batch): HopReceipt => ({
      session: `0x${'ab'.repeat(32)}`,
      model: `0x${'cd'.repeat(32)}`,
      account,
      fromLayer: 0,
      toLayer: 1,
      batch,
      epoch: 0,
      promptPositions: 64,
      outputPositions: 32,
      amount: total,
      commitment: `0x${'ef'.repeat(32)}`,
    }),
  );
  const signed = await Promise.all(receipts.map((receipt) => signReceipt(terms, receipt, key)));
  const signerCheck = new SignerCheck(sessionKey.address);
  const receiptCheck = new ReceiptCheck(terms, oneKeyVerifier());
  const microseconds = async (name: string, one: (at: number) => unknown) => {
    const costs = await repeat(5, async () => {
      const began = process.cpuUsage();
      for (let at = 0; at < vouchersOf.length; at++) await one(at);
      return cpuMs(began) / vouchersOf.length;
    });
    const cost = 1000 * least(costs);
    say(`  ${name.padEnd(32)} ${cost.toFixed(0).padStart(5)} µs`);
    return cost;
  };
  const hashVoucher = await microseconds('hash a voucher', (at) => voucherDigest(terms, vouchersOf[at]!));
  const sign = await microseconds('sign its hash (secp256k1)', (at) => signDigest(digests[at]!, sessionKey.privateKey));
  const check = await microseconds('check that (secp256k1)', (at) => signerCheck.signed(digests[at]!, voucherSignatures[at]!));
  await microseconds('the first time (key recovered)', (at) => recoverSigner(digests[at]!, voucherSignatures[at]!));
  await microseconds('hash a receipt', (at) => receiptDigest(terms, receipts[at]!));
  const signOwn = await microseconds('hash and sign a receipt (P-256)', (at) => signReceipt(terms, receipts[at]!, key));
  const checkOther = await microseconds('hash and check that (P-256)', (at) => receiptCheck.signed(signed[at]!));
  const cost = (count: number) => {
    const hop = count * (hashVoucher + check) + signOwn;
    return { hop: hop / 1000, all: (count * (hashVoucher + sign) + hops * (hop + checkOther)) / 1000 };
  };
  return { ...cost(vouchers), chunk: cost(1).all };
}

function smollm2() {
  return {
    family: 'llama',
    layers: 30,
    hidden: 576,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    intermediate: 1536,
    vocab: 49_152,
    tied: true,
    config: { rope_theta: 100_000 },
  } as const;
}

/** After two times that warm up. */
async function repeat<Result>(times: number, measure: () => Promise<Result>): Promise<Result[]> {
  return (await inTurn(Array.from({ length: times + 2 }, () => measure))).slice(2);
}

async function inTurn<Result>(measures: readonly (() => Promise<Result>)[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const measure of measures) results.push(await measure());
  return results;
}

/** Of measurements of one thing: whatever else the machine does only adds. */
function least(values: readonly number[]): number {
  return Math.min(...values);
}
