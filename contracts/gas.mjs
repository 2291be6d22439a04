/**
 * What whole transactions cost (receipt.gasUsed), on Hardhat's own network at osaka, compiled as in hardhat.config.ts.
 *
 *   node contracts/gas.mjs            prints the table
 *   node contracts/gas.mjs --check    and fails if a figure of gas.json grew by more than 1 %
 *   node contracts/gas.mjs --update   and writes gas.json and the table in docs/decisions/0010-paid-work.md
 *   node contracts/gas.mjs --checks   also compiles the contracts without each of their checks, to see what the check costs; with
 *                                     --update it writes that table too
 *
 * Addresses, keys and amounts are fixed or derived from fixed ones, so that a figure changes only when the code does. Amounts are odd
 * numbers of wei: bytes that are not zero cost more, and real prices have few zeros.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import hre from 'hardhat';
import { createPublicClient, createWalletClient, custom, keccak256, parseSignature, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { buildPayrollTree } from '../shared/receipts/payroll-tree.ts';
import { typedData } from '../shared/receipts/typed-data.ts';
import { compileWithout } from './gas-without-checks.mjs';

const file = fileURLToPath(new URL('gas.json', import.meta.url));
const docs = fileURLToPath(new URL('../docs/decisions/0010-paid-work.md', import.meta.url));
const day = 86_400;
/** A fixed date: the bytes of an expiry are part of what is paid for. */
const start = '2030-01-01T00:00:00Z';
const expiry = Date.parse(start) / 1000 + 300 * day;
const unit = 1_234_567_890_123_456_789n;
const key = (name) => privateKeyToAccount(keccak256(toHex(name)));
const payee = (i) => key(`payee ${i}`).address;

/** What others need for the same: leaner prototypes, measured with the same compiler settings. */
const targets = {
  'claim, existing payee, kept in the ledger': 42_738,
  'claim and pay out to the wallet': 54_719,
  'claim batch of ten payers, each': 22_214,
  'claim, one voucher to 50 existing payees, each': 6_429,
  'claim, one voucher to 50 new payees, each': 23_871,
  'payroll: propose a root': 36_700,
  'payroll: claim, 16 levels': 55_020,
  'asset: mint with kind, royalty and digest': 73_884,
};
/** Whole systems and the usual way, measured with the same compiler settings. */
const others = [
  ['Livepeer: redeem a winning ticket (bonding and rounds stubbed)', 96_291],
  ['plain OpenZeppelin: voucher claim paid to the wallet', 59_163],
];

/** Where the cost of a check is looked for. */
const watched = [
  'claim, existing payee, kept in the ledger',
  'claim and pay out to the wallet',
  'claim and pay out to a payout address, by anyone',
  'claim, one voucher to 50 existing payees, each',
  'deposit, nth',
  'authorize, raise',
  'payroll: propose a root',
  'payroll: claim, 16 levels',
  'asset: mint with kind, royalty and digest',
];

class Chain {
  constructor(provider) {
    const transport = custom(provider);
    this.provider = provider;
    this.reader = createPublicClient({ transport });
    this.writer = createWalletClient({ transport });
  }

  async start() {
    [this.funder] = await this.writer.getAddresses();
    this.chainId = await this.reader.getChainId();
  }

  async addFunds(address) {
    await this.provider.request({ method: 'hardhat_setBalance', params: [address, toHex(10n ** 20n)] });
  }

  async deploy(artifact, args, from = this.funder) {
    const hash = await this.writer.deployContract({ ...artifact, args, account: from, chain: null });
    return { abi: artifact.abi, address: (await this.reader.getTransactionReceipt({ hash })).contractAddress };
  }

  read(contract, functionName, args = []) {
    return this.reader.readContract({ ...contract, functionName, args });
  }

  /** Sends from a fixed account and returns the gas of the whole transaction. */
  async send(from, contract, functionName, args) {
    const account = typeof from === 'string' ? from : from.address;
    await this.provider.request({ method: 'hardhat_impersonateAccount', params: [account] });
    const hash = await this.writer.writeContract({ ...contract, functionName, args, account, chain: null });
    const receipt = await this.reader.getTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`${functionName} reverted`);
    return Number(receipt.gasUsed);
  }

  async pass(seconds) {
    await this.provider.request({ method: 'evm_increaseTime', params: [seconds] });
    await this.provider.request({ method: 'evm_mine', params: [] });
  }
}

/** Every figure of one set of contracts, by name. */
async function measure(artifacts) {
  const { provider } = await hre.network.create({ override: { initialDate: start } });
  const chain = new Chain(provider);
  await chain.start();
  const figures = new Map();
  const record = (name, gas) => figures.set(name, Math.round(gas));

  const owner = chain.funder;
  const aic = await chain.deploy(artifacts.AIC, [owner, owner, 1n]);
  const accounts = await chain.deploy(artifacts.Accounts, []);
  const ledger = await chain.deploy(artifacts.ComputeLedger, [aic.address, accounts.address, day]);
  const domain = { name: 'Vessel', version: '1', chainId: chain.chainId, verifyingContract: ledger.address };
  const session = key('session key');

  const sign = (signer, primaryType, message) => signer.signTypedData({ domain, types: typedData, primaryType, message });
  const voucherOf = (payer, payments) => ({
    payer: payer.address,
    total: payments.reduce((sum, { cumulative }) => sum + cumulative, 0n),
    payments,
  });
  const signed = async (payer, payments) => {
    const voucher = voucherOf(payer, payments);
    return [voucher, await sign(session, 'Voucher', voucher)];
  };
  const fund = async (account) => {
    await chain.addFunds(account.address);
    await chain.send(owner, aic, 'mint', [account.address, 1_000_000n * unit]);
    await chain.send(account, aic, 'approve', [ledger.address, 2n ** 256n - 1n]);
  };

  // A payer with an escrow and an open session key.
  const payer = key('payer');
  await fund(payer);
  record('deposit, first', await chain.send(payer, ledger, 'deposit', [payer.address, 1_000n * unit]));
  record('deposit, nth', await chain.send(payer, ledger, 'deposit', [payer.address, 1_000n * unit]));
  record('deposit by transferAndCall, nth', await chain.send(payer, aic, 'transferAndCall', [ledger.address, 1_000n * unit]));
  const deadline = BigInt(expiry);
  const permit = async () => {
    const value = 1_000n * unit;
    const nonce = await chain.read(aic, 'nonces', [payer.address]);
    const fields = ['address owner', 'address spender', 'uint256 value', 'uint256 nonce', 'uint256 deadline'];
    const signature = await payer.signTypedData({
      domain: { name: 'AIC', version: '1', chainId: chain.chainId, verifyingContract: aic.address },
      types: { Permit: fields.map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] })) },
      primaryType: 'Permit',
      message: { owner: payer.address, spender: ledger.address, value, nonce, deadline },
    });
    const { r, s, v } = parseSignature(signature);
    return [payer.address, value, deadline, Number(v), r, s];
  };
  await chain.send(payer, ledger, 'depositWithPermit', await permit());
  record('deposit with permit, nth', await chain.send(payer, ledger, 'depositWithPermit', await permit()));
  await chain.send(payer, aic, 'approve', [ledger.address, 2n ** 256n - 1n]);
  record('authorize, new key', await chain.send(payer, ledger, 'authorize', [session.address, 1_000n * unit, expiry]));
  record('authorize, raise', await chain.send(payer, ledger, 'authorize', [session.address, 2_000n * unit, expiry]));
  const bySig = { payer: payer.address, sessionKey: key('another session').address, cap: unit, expiry };
  record(
    'authorize by signature, new key',
    await chain.send(owner, ledger, 'authorizeBySig', [...Object.values(bySig), await sign(payer, 'Authorization', bySig)]),
  );

  // One voucher, one payee.
  const one = (cumulative, to = payee(0)) => signed(payer, [{ payee: to, cumulative }]);
  const hop = key('payee 0');
  await chain.addFunds(hop.address);
  record('claim, new payee, kept in the ledger', await chain.send(owner, ledger, 'claim', await one(unit)));
  record('claim, existing payee, kept in the ledger', await chain.send(owner, ledger, 'claim', await one(2n * unit)));
  const channels = [{ payer: payer.address, sessionKey: session.address }];
  await chain.send(hop, ledger, 'payOut', [hop.address, channels]);
  record(
    'claim and pay out to the wallet',
    await chain.send(hop, ledger, 'claimAndPayOut', [...(await one(3n * unit)), hop.address]),
  );
  await chain.send(hop, accounts, 'setPayout', [hop.address, payee(99)]);
  await chain.send(owner, ledger, 'claimAndPayOut', [...(await one(4n * unit)), hop.address]);
  record(
    'claim and pay out to a payout address, by anyone',
    await chain.send(owner, ledger, 'claimAndPayOut', [...(await one(5n * unit)), hop.address]),
  );
  await chain.send(owner, ledger, 'claim', await one(6n * unit));
  record('pay out one channel', await chain.send(owner, ledger, 'payOut', [hop.address, channels]));

  // One voucher, fifty payees.
  const fifty = (cumulative) =>
    signed(
      payer,
      Array.from({ length: 50 }, (_, i) => ({ payee: payee(100 + i), cumulative })),
    );
  record('claim, one voucher to 50 new payees, each', (await chain.send(owner, ledger, 'claim', await fifty(unit))) / 50);
  record(
    'claim, one voucher to 50 existing payees, each',
    (await chain.send(owner, ledger, 'claim', await fifty(2n * unit))) / 50,
  );

  // Ten payers in one transaction, one payee each (their own, then one that all of them pay).
  const payers = Array.from({ length: 10 }, (_, i) => key(`payer ${i}`));
  for (const account of payers) {
    await fund(account);
    await chain.send(account, ledger, 'deposit', [account.address, 100n * unit]);
    await chain.send(account, ledger, 'authorize', [session.address, 100n * unit, expiry]);
  }
  const batch = async (cumulative) => {
    const all = await Promise.all(payers.map((account) => signed(account, [{ payee: hop.address, cumulative }])));
    return [all.map(([voucher]) => voucher), all.map(([, signature]) => signature)];
  };
  await chain.send(owner, ledger, 'claimBatch', await batch(unit));
  record('claim batch of ten payers, each', (await chain.send(owner, ledger, 'claimBatch', await batch(2n * unit))) / 10);
  const tenChannels = payers.map(({ address }) => ({ payer: address, sessionKey: session.address }));
  record('pay out ten channels, each', (await chain.send(owner, ledger, 'payOut', [hop.address, tenChannels])) / 10);

  // The gate (x402).
  const gateArgs = [session.address, 30 * day];
  record('open a gate', await chain.send(owner, ledger, 'openGate', gateArgs));
  const { result: gate } = await chain.reader.simulateContract({ ...ledger, functionName: 'openGate', args: gateArgs });
  const transfer = async (nonce) => {
    const message = {
      from: payer.address,
      to: gate,
      value: unit,
      validAfter: 0n,
      validBefore: deadline,
      nonce: keccak256(toHex(nonce)),
    };
    const types = ['address from', 'address to', 'uint256 value', 'uint256 validAfter', 'uint256 validBefore', 'bytes32 nonce'];
    const { r, s, v } = parseSignature(
      await payer.signTypedData({
        domain: { name: 'AIC', version: '1', chainId: chain.chainId, verifyingContract: aic.address },
        types: { TransferWithAuthorization: types.map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] })) },
        primaryType: 'TransferWithAuthorization',
        message,
      }),
    );
    return [...Object.values(message), Number(v), r, s];
  };
  const nineArgs = {
    address: aic.address,
    abi: aic.abi.filter(({ name, inputs }) => name !== 'transferWithAuthorization' || inputs.length === 9),
  };
  await chain.send(owner, nineArgs, 'transferWithAuthorization', await transfer('first'));
  record(
    'x402 payment through a gate, nth',
    await chain.send(owner, nineArgs, 'transferWithAuthorization', await transfer('second')),
  );

  record('withdraw', await chain.send(payer, ledger, 'withdraw', [unit, payer.address]));
  record('revoke', await chain.send(payer, ledger, 'revoke', [session.address]));
  await chain.pass(2 * day);
  record('release', await chain.send(owner, ledger, 'release', [payer.address, session.address]));

  if (artifacts.Asset) {
    const asset = await chain.deploy(artifacts.Asset, []);
    await chain.send(owner, asset, 'mint', [owner, 2, keccak256('0x01'), 500, 250, []]);
    record(
      'asset: mint with kind, royalty and digest',
      await chain.send(owner, asset, 'mint', [owner, 2, keccak256('0x02'), 500, 250, []]),
    );
    record(
      'asset: mint with two parents',
      await chain.send(owner, asset, 'mint', [
        owner,
        3,
        keccak256('0x03'),
        500,
        250,
        [
          { id: 1n, share: 100 },
          { id: 2n, share: 200 },
        ],
      ]),
    );
  }
  if (artifacts.Payroll) await measurePayroll(chain, record, { artifacts, aic, accounts, ledger, owner });
  return figures;
}

async function measurePayroll(chain, record, { artifacts, aic, accounts, ledger, owner }) {
  const window = day;
  const payroll = await chain.deploy(artifacts.Payroll, [aic.address, accounts.address, ledger.address, owner, window]);
  const earner = key('earner');
  await chain.addFunds(earner.address);
  await chain.send(earner, accounts, 'setPayout', [earner.address, payee(7)]);
  // 2^16 leaves would take a minute to hash; a tree of few leaves deepened by fixed siblings proves the same way.
  const siblings = Array.from({ length: 12 }, (_, i) => keccak256(toHex(`sibling ${i}`)));
  const deepen = (tree) => {
    const { leaf, proof } = tree.proofOf(earner.address.toLowerCase());
    const pair = (a, b) => keccak256(BigInt(a) < BigInt(b) ? `0x${a.slice(2)}${b.slice(2)}` : `0x${b.slice(2)}${a.slice(2)}`);
    return { leaf, proof: [...proof, ...siblings], root: siblings.reduce(pair, tree.root), total: tree.total };
  };
  const epochOf = (cumulative) => {
    const amounts = new Map(Array.from({ length: 14 }, (_, i) => [payee(200 + i).toLowerCase(), cumulative]));
    return deepen(buildPayrollTree(amounts.set(earner.address.toLowerCase(), cumulative)));
  };
  await chain.send(owner, aic, 'mint', [owner, 1_000n * unit]);
  await chain.send(owner, aic, 'approve', [payroll.address, 2n ** 256n - 1n]);
  await chain.send(owner, payroll, 'fund', [owner, 1_000n * unit]);
  for (let epoch = 1; epoch <= 4; epoch++) {
    const { leaf, proof, root, total } = epochOf(BigInt(epoch) * unit);
    const proposed = await chain.send(owner, payroll, 'propose', [owner, root, total, epoch]);
    await chain.pass(window + 1);
    const accepted = epoch === 3 ? await chain.send(owner, payroll, 'accept', [owner]) : 0;
    const claimed = await chain.send(owner, payroll, 'claim', [owner, leaf, proof]);
    if (epoch === 3) {
      record('payroll: propose a root', proposed);
      record('payroll: accept a root', accepted);
      record(`payroll: claim, ${proof.length} levels`, claimed);
    }
    if (epoch === 4) record(`payroll: claim that also accepts, ${proof.length} levels`, claimed);
  }
}

async function readArtifacts() {
  await hre.tasks.getTask('build').run({ quiet: true });
  const found = {};
  for (const name of ['AIC', 'Accounts', 'ComputeLedger', 'Asset', 'Payroll']) {
    if (await hre.artifacts.artifactExists(name)) found[name] = await hre.artifacts.readArtifact(name);
  }
  return found;
}

function printTable(figures, before) {
  const column = (value) => (value === undefined ? '' : value.toLocaleString('en')).padStart(11);
  console.log(`${'whole transaction'.padEnd(62)}${'gas'.padStart(11)}${'kept'.padStart(11)}${'to beat'.padStart(11)}`);
  for (const [name, gas] of figures) console.log(name.padEnd(62) + column(gas) + column(before[name]) + column(targets[name]));
  const pair = figures.get('claim, existing payee, kept in the ledger') + figures.get('pay out one channel');
  console.log(`${'claim and pay out as two transactions'.padEnd(62)}${column(pair)}`);
  for (const [name, gas] of others) console.log(name.padEnd(62) + column(gas));
}

/** The tables of the decision on paid work, kept true by `--check` and written by `--update`. */
const number = (gas) => gas.toLocaleString('en');

function comparison(figures) {
  const rows = [...figures]
    .filter(([name]) => targets[name])
    .map(([name, gas]) => [name, gas, targets[name]].map((cell) => (cell === name ? cell : number(cell))));
  const both = figures.get('claim, existing payee, kept in the ledger') + figures.get('pay out one channel');
  return [
    '| whole transaction | gas | lean prototype |',
    '| --- | ---: | ---: |',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
    `| claim, and pay out later, as two transactions | ${number(both)} | |`,
    ...others.map(([name, gas]) => `| ${name} | | ${number(gas)} |`),
  ];
}

/** What each check costs: how much less every watched transaction takes without it. */
async function costsOfChecks(artifacts, figures) {
  const lines = ['| what a lean prototype leaves out | gas | of |', '| --- | ---: | --- |'];
  for (const { what, contract, artifact } of compileWithout()) {
    const leaner = await measure({ ...artifacts, [contract]: artifact });
    const saved = new Map();
    for (const name of watched) {
      const gas = figures.get(name) - leaner.get(name);
      if (gas > 20) saved.set(gas, [...(saved.get(gas) ?? []), name]);
    }
    for (const [index, [gas, names]] of [...saved].entries())
      lines.push(`| ${index === 0 ? what : ''} | ${number(gas)} | ${names.join('; ')} |`);
  }
  return lines;
}

const marks = (name) => [`<!-- ${name}: written by node contracts/gas.mjs --update`, `<!-- end of ${name} -->`];

function readBlock(text, name) {
  const [from, to] = marks(name).map((mark) => text.indexOf(mark));
  if (from === -1 || to === -1) throw new Error(`docs/decisions/0010-paid-work.md lacks the place of ${name}.`);
  const start = text.indexOf('\n', from) + 1;
  return { start, end: to, lines: text.slice(start, to).trim().split('\n') };
}

function withBlock(text, name, lines) {
  const { start, end } = readBlock(text, name);
  return `${text.slice(0, start)}\n${lines.join('\n')}\n\n${text.slice(end)}`;
}

const has = (flag) => process.argv.includes(flag);
const before = JSON.parse(await readFile(file, 'utf8').catch(() => '{}'));
const artifacts = await readArtifacts();
const figures = await measure(artifacts);
printTable(figures, before);

const checks = has('--checks') ? await costsOfChecks(artifacts, figures) : [];
if (checks.length > 0) console.log(`\n${checks.join('\n')}`);
if (has('--update')) {
  await writeFile(file, `${JSON.stringify(Object.fromEntries(figures), null, 2)}\n`);
  let text = withBlock(await readFile(docs, 'utf8'), 'gas', comparison(figures));
  if (checks.length > 0) text = withBlock(text, 'costs of checks', checks);
  await writeFile(docs, text);
}
if (has('--check')) {
  const grown = [...figures].filter(([name, gas]) => !(gas <= before[name] * 1.01));
  for (const [name, gas] of grown)
    console.error(`${name}: ${gas}, kept ${before[name] ?? 'nowhere'}; node contracts/gas.mjs --update accepts it`);
  for (const name of Object.keys(before).filter((kept) => !figures.has(kept))) console.error(`${name}: not measured any more`);
  const kept = comparison(new Map(Object.entries(before)));
  const isTold = readBlock(await readFile(docs, 'utf8'), 'gas').lines.join() === kept.join();
  if (!isTold) console.error('docs/decisions/0010-paid-work.md tells other figures than contracts/gas.json');
  process.exitCode = grown.length === 0 && isTold && Object.keys(before).every((name) => figures.has(name)) ? 0 : 1;
}
