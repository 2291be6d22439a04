/**
 * What paying costs: signing and checking for a batch of 32 output positions over three hops, as part of the time that the batch
 * takes to compute. Worst case: vessel-tiny on wasm is the fastest work there is, and all parties share one processor here.
 *
 *     node bench/paying.ts
 */
import { loadOrtNode } from '../provider/runtime/load-ort-node.ts';
import { createOrtRuntime } from '../provider/runtime/ort-runtime.ts';
import { deviceKey, generateKeyPair, verifySignature } from '../sdk/net/device-key.ts';
import { newSessionKey } from '../sdk/paying/session-key.ts';
import { VoucherPayer } from '../sdk/paying/voucher-payer.ts';
import { convertCheckpoint } from '../shared/models/convert-checkpoint.ts';
import { manifestId } from '../shared/models/manifest-id.ts';
import { emptyHistory, extendHistory } from '../shared/protocol/history.ts';
import { limits } from '../shared/protocol/limits.ts';
import type { PaymentMessage } from '../shared/protocol/payment-types.ts';
import { accountOf } from '../shared/receipts/account.ts';
import { isReceiptSigned, signReceipt } from '../shared/receipts/device-signature.ts';
import { voucherDigest } from '../shared/receipts/digests.ts';
import type { Address } from '../shared/receipts/hex.ts';
import { historyWord, modelWord, sessionWord } from '../shared/receipts/ids.ts';
import { SignerCheck } from '../shared/receipts/secp-signature.ts';
import { folderCheckpoint } from '../testing/checkpoint-folder.ts';
import { address, networkTerms } from '../testing/fake-chain.ts';
import { MemoryBlobs } from '../testing/memory-blobs.ts';
import { evenCuts, loadChain } from '../testing/shard-chain.ts';

const batches = 12;
const hops = 3;
/** The asker refills when half a batch is left. */
const vouchersPerBatch = limits.outputBatch / limits.outputRefill;

const terms = networkTerms();
const sessionKey = newSessionKey();
const payer = address(0xaa);
const keys = await Promise.all(Array.from({ length: hops }, async () => deviceKey(await generateKeyPair())));
const accounts = keys.map(({ publicKey }) => accountOf(publicKey));

const blobs = new MemoryBlobs();
const folder = new URL('../public/models/vessel-tiny', import.meta.url).pathname;
const { manifest } = await convertCheckpoint(
  folderCheckpoint(folder),
  { name: 'vessel-tiny', dtype: 'f32', origin: 'bench' },
  blobs,
);
const ort = await loadOrtNode({ threads: 1 });
const chain = await loadChain(manifest, blobs, evenCuts(manifest.architecture.layers, hops), (shard, reader) =>
  createOrtRuntime({ ort, backend: 'wasm', shard, blobs: reader, context: 64 + limits.outputBatch }),
);
const work = await times(async () => {
  const session = chain.open(64 + limits.outputBatch);
  await session.step(Array.from({ length: 64 }, (_, index) => index + 1));
  const began = performance.now();
  for (let token = 0; token < limits.outputBatch; token++) await session.step([token + 1]);
  return performance.now() - began;
});

const voucherPayer = new VoucherPayer({ sessionKey: sessionKey.privateKey, payer, place: terms, cap: 1n << 90n });
const signers = keys.map(() => new SignerCheck(sessionKey.address));
const model = modelWord(manifestId(manifest));
let owed = 0n;
let batch = 0;
let asker = 0;
let hop = 0;
const paying = await times(async () => {
  const began = performance.now();
  for (let i = 0; i < vouchersPerBatch; i++) {
    owed += 1_000_000n;
    const promised = new Map<Address, bigint>([...accounts, address(0xb1), address(0xb2)].map((account) => [account, owed]));
    const askerBegan = performance.now();
    const payment = [...(await voucherPayer.pay('bench', promised)).values()][0] as Extract<PaymentMessage, { kind: 'voucher' }>;
    asker += performance.now() - askerBegan;
    const hopBegan = performance.now();
    for (const signer of signers) {
      if (!signer.signed(voucherDigest(terms, payment.voucher), payment.signature)) throw new Error('not signed');
    }
    hop += performance.now() - hopBegan;
  }
  // The hop has its history from the frames; the asker follows it to check the commitment.
  let history = emptyHistory;
  for (let token = 0; token < limits.outputBatch; token++) history = extendHistory(history, [token]);
  for (const [index, key] of keys.entries()) {
    const receipt = {
      session: sessionWord('ab'.repeat(16)),
      model,
      account: accounts[index]!,
      fromLayer: index,
      toLayer: index + 1,
      batch: batch++,
      epoch: 0,
      promptPositions: 64,
      outputPositions: 32,
      amount: 1_000_000n,
      commitment: historyWord(history),
    };
    const hopBegan = performance.now();
    const signed = await signReceipt(terms, receipt, key);
    const askerBegan = performance.now();
    if (!(await isReceiptSigned(terms, signed, verifySignature))) throw new Error('not signed');
    hop += askerBegan - hopBegan;
    asker += performance.now() - askerBegan;
  }
  return performance.now() - began;
});

const ms = (value: number) => `${value.toFixed(2)} ms`;
const rounds = batches + 3;
process.stdout.write(`batch of ${limits.outputBatch} positions over ${hops} hops: ${ms(work)}\n`);
process.stdout.write(
  `all its signatures and checks: ${ms(paying)} (asker ${ms(asker / rounds)}, hops together ${ms(hop / rounds)})\n`,
);
process.stdout.write(`share: ${((100 * paying) / work).toFixed(2)} %\n`);
await chain.dispose();

/** Median, after three that warm up. */
async function times(measure: () => Promise<number>): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < batches + 3; i++) all.push(await measure());
  return all.slice(3).sort((a, b) => a - b)[Math.floor(batches / 2)]!;
}
