/** `vessel chain`: the contracts on a chain, and the local chain. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatEther, zeroAddress } from 'viem';
import { compilerVersion } from '../../shared/chain/compiler.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import type { Address } from '../../shared/receipts/hex.ts';
import type { ContractName } from '../chain/contract-calls.ts';
import { contractCode, type Deployment, deployContracts, deployOrder, readDeployment } from '../chain/deploy.ts';
import { isCodeOf } from '../chain/deployed-code.ts';
import { openHotKey, readHotKey } from '../chain/hot-key.ts';
import { findLocalChain, localChainId } from '../chain/local-chain.ts';
import { openFaucet } from '../chain/local-network.ts';
import { verifySource } from '../chain/verify-source.ts';
import { openClient, ViemChain } from '../chain/viem-chain.ts';
import { FileStore } from '../storage/file-store.ts';
import { addressesPath, forgetLocalChain, hotKeyPath, localNetworkFolders, readOperator } from './chain-folders.ts';
import { type Command, type CommandIo, UsageError } from './command.ts';
import { type DataFolder, dataFolderPath, openDataFolder } from './data-folder.ts';
import { parseCount, parseOptions } from './parse-options.ts';
import { repositoryFolder } from './program-files.ts';
import { requireChainId } from './remote-chain.ts';
import { rotateKey } from './rotate-key.ts';

const usage = `usage: vessel chain deploy --network <local | rpc url> --key-file <file> [options]
       vessel chain status [--network <local | rpc url>]
       vessel chain rotate-key --network <rpc url> [--operator-key-file <file>]
       vessel chain faucet <address>
       vessel chain reset

deploy puts the contracts on a chain and writes their addresses into the data folder; interrupted, the same command goes on where it was.

  --network <...>            local, or the JSON-RPC address of a node (default: local)
  --key-file <file>          the deployer's key, 32 bytes in hex (default: the relay's hot key)
  --confirmations <n>        blocks to wait for (default: 3)
  --owner <address>          owner of AIC and of the registry (default: the deployer)
  --supply <AIC>             AIC the owner holds at the start (default: 0)
  --court <address>          may forfeit what a pending payroll root adds (default: nobody)
  --network-account <addr>   receives the network's fee (default: the owner)
  --network-fee <n>          in basis points of the compute price (default: 500)
  --claim-window <seconds>   in which vouchers still count after an authorization's expiry (default: 259200)
  --payroll-window <seconds> between a payroll root and its counting (default: 86400)
  --verify <api url>         submit the source to a block explorer with an Etherscan-like API (key: EXPLORER_API_KEY)
  --data <folder>            data folder (default: VESSEL_HOME or ~/.vessel)

rotate-key gives the relay a new hot key, while it does not run: finishes what the old one has sent, hands over its roles, AIC and coins, and
changes the file. Interrupted, the same command goes on. The old key is kept beside the new one.

  --operator <address>       whose payroll it is (default: the one in <data>/relay/operator, or the hot key)
  --operator-key-file <file> that account's key, where it is not the hot key; without it its wallet has to send what the command prints

status compares what is on chain with this version; faucet gives coins and AIC away on the local chain, while it runs; reset forgets the
local chain and its money, and puts the relay's books aside.
`;

const options = {
  network: { type: 'string' },
  'key-file': { type: 'string' },
  confirmations: { type: 'string' },
  owner: { type: 'string' },
  supply: { type: 'string' },
  court: { type: 'string' },
  'network-account': { type: 'string' },
  'network-fee': { type: 'string' },
  'claim-window': { type: 'string' },
  'payroll-window': { type: 'string' },
  operator: { type: 'string' },
  'operator-key-file': { type: 'string' },
  verify: { type: 'string' },
  data: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseOptions<typeof options>>['values'];

const sourceNames: Record<ContractName, string> = {
  aic: 'AIC',
  accounts: 'Accounts',
  asset: 'Asset',
  registry: 'ServiceRegistry',
  ledger: 'ComputeLedger',
  payroll: 'Payroll',
};
const maxSupply = 10_000_000_000;

export const chainCommand: Command = {
  name: 'chain',
  summary: 'deploy the contracts, show them, change the relay’s key, fill a wallet on the local chain',
  usage,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, options);
    const [action, target, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError(`"${rest[0]}" is too much`);
    const data = await openDataFolder(dataFolderPath(io.env, values.data));
    switch (action) {
      case 'deploy':
        return deploy(data, values, io);
      case 'status':
        return status(data, values, io);
      case 'rotate-key':
        return rotate(data, values, io);
      case 'faucet':
        return faucet(data, parseAddress(target, 'an address'), io);
      case 'reset':
        return reset(data, io);
      default:
        throw new UsageError(
          action === undefined
            ? 'say what to do: deploy, status, rotate-key, faucet or reset'
            : `vessel chain does not know "${action}"`,
        );
    }
  },
};

async function deploy(data: DataFolder, values: Values, io: CommandIo): Promise<number> {
  const rpcUrl = await nodeOf(data, values);
  const client = openClient(rpcUrl);
  const chainId = await requireChainId(rpcUrl);
  const keyFile = values['key-file'];
  const key = keyFile === undefined ? await openHotKey(hotKeyPath(data)) : await readHotKey(keyFile);
  if (key === null) throw new UsageError(`there is no file ${keyFile}`);
  const owner = parseAddress(values.owner ?? key.address, '--owner');
  const path = addressesPath(data, chainId);
  io.stderr.write(`chain ${chainId} at ${rpcUrl}, deployer ${key.address}\n`);
  const deployment = await deployContracts(
    client,
    key,
    {
      owner,
      initialSupply: BigInt(parseCount(values.supply ?? '0', 'supply', 0, maxSupply)) * 10n ** 18n,
      court: parseAddress(values.court ?? zeroAddress, '--court'),
      networkAccount: parseAddress(values['network-account'] ?? owner, '--network-account'),
      networkFee: parseCount(values['network-fee'] ?? '500', 'network-fee', 0, 2_000),
      claimWindow: parseCount(values['claim-window'] ?? '259200', 'claim-window', 0, 2 ** 31),
      payrollWindow: parseCount(values['payroll-window'] ?? '86400', 'payroll-window', 0, 2 ** 31),
    },
    new FileStore(path),
    {
      confirmations: parseCount(values.confirmations ?? '3', 'confirmations', 1, 1_000),
      pollMs: chainId === localChainId ? 100 : 1_000,
      onProgress: (note) => io.stderr.write(`${note}\n`),
    },
  );
  io.stdout.write(`${JSON.stringify({ chainId, addresses: deployment.addresses, file: path }, null, 2)}\n`);
  if (values.verify !== undefined) await verify(values.verify, deployment, io);
  return 0;
}

async function verify(apiUrl: string, deployment: Deployment, io: CommandIo): Promise<void> {
  const root = repositoryFolder();
  const script = root && join(root, 'scripts/build-contracts.mjs');
  if (!script || !existsSync(script)) {
    throw new VesselError('unsupported', 'Verifying needs the contracts’ source: run this in the repository.');
  }
  const { stdout: standardJson } = await promisify(execFile)(process.execPath, [script, '--standard-json'], {
    maxBuffer: 64 * 2 ** 20,
  });
  for (const name of deployOrder) {
    const verdict = await verifySource(
      apiUrl,
      {
        chainId: deployment.chainId,
        address: deployment.addresses[name],
        contractName: `contracts/src/${sourceNames[name]}.sol:${sourceNames[name]}`,
        standardJson,
        compilerVersion,
        constructorArguments: deployment.constructorArguments[name],
      },
      { apiKey: io.env.EXPLORER_API_KEY, signal: io.signal },
    );
    io.stderr.write(`${name}  ${verdict}\n`);
  }
}

async function rotate(data: DataFolder, values: Values, io: CommandIo): Promise<number> {
  const { network } = values;
  if (network === undefined || network === 'local')
    throw new UsageError(
      "--network must be a node's address: on the local chain, which runs with its relay, vessel chain reset does it",
    );
  const rpcUrl = await nodeOf(data, values);
  const chainId = await requireChainId(rpcUrl);
  const deployment = await readDeployment(new FileStore(addressesPath(data, chainId)));
  if (!deployment) throw new VesselError('not_found', `There are no contracts on chain ${chainId} yet: vessel chain deploy.`);
  const operatorFile = values['operator-key-file'];
  const operatorKey = operatorFile === undefined ? undefined : await readHotKey(operatorFile);
  if (operatorKey === null) throw new UsageError(`there is no file ${operatorFile}`);
  const address = await rotateKey(
    data,
    {
      rpcUrl,
      client: openClient(rpcUrl),
      deployment,
      confirmations: parseCount(values.confirmations ?? '3', 'confirmations', 1, 1_000),
      pollMs: 1_000,
      ...(values.operator === undefined ? {} : { operator: parseAddress(values.operator, '--operator') }),
      ...(operatorKey ? { operatorKey } : {}),
    },
    io,
  );
  io.stdout.write(`the relay's hot key is now ${address}\n`);
  return 0;
}

/** Prints each contract and whether it is this version's; 1 when one is not. */
async function status(data: DataFolder, values: Values, io: CommandIo): Promise<number> {
  const rpcUrl = await nodeOf(data, values);
  const client = openClient(rpcUrl);
  const chainId = await requireChainId(rpcUrl);
  const deployment = await readDeployment(new FileStore(addressesPath(data, chainId)));
  io.stdout.write(`chain ${chainId} at ${rpcUrl}, block ${await client.getBlockNumber()}\n`);
  if (!deployment) {
    io.stdout.write('no contracts here yet: vessel chain deploy\n');
    return 1;
  }
  let isOurs = true;
  for (const name of deployOrder) {
    const address = deployment.addresses[name];
    const isSame = isCodeOf(await client.getCode({ address }), contractCode[name].runtime);
    isOurs &&= isSame;
    io.stdout.write(`${name.padEnd(8)}  ${address}  ${isSame ? 'as in this version' : 'NOT what this version deploys'}\n`);
  }
  const key = await readHotKey(hotKeyPath(data));
  if (key && isOurs) {
    const chain = new ViemChain(client, { chainId, addresses: deployment.addresses });
    const address = key.address;
    const operator = (await readOperator(data)) ?? address;
    const [coins, aic, funded, spent] = await Promise.all([
      chain.coinsOf(address),
      chain.aicOf(address),
      chain.fundedOf(operator),
      chain.spentOf(operator),
    ]);
    io.stdout.write(`hot key   ${address}  ${formatEther(coins)} coins, ${formatEther(aic)} AIC\n`);
    if (operator !== address) io.stdout.write(`operator  ${operator}\n`);
    io.stdout.write(`payroll   ${formatEther(funded)} AIC funded, ${formatEther(spent)} AIC paid\n`);
  }
  return isOurs ? 0 : 1;
}

async function faucet(data: DataFolder, to: Address, io: CommandIo): Promise<number> {
  const folders = localNetworkFolders(data);
  const url = await requireLocalChain(data);
  const deployment = await readDeployment(new FileStore(folders.addresses));
  const dev = await readHotKey(join(folders.chain, 'dev-key'));
  if (!deployment || !dev) throw new VesselError('not_found', 'The local chain has no contracts yet: vessel start deploys them.');
  const given = await openFaucet(openClient(url), url, dev, deployment.addresses.aic).give(to);
  io.stdout.write(`${to} received ${formatEther(given.coins)} coin and ${formatEther(given.aic)} AIC\n`);
  return 0;
}

async function reset(data: DataFolder, io: CommandIo): Promise<number> {
  const lock = await data.lock();
  try {
    await forgetLocalChain(data, Date.now());
    io.stdout.write('the local chain is forgotten; the next start makes a new one\n');
    return 0;
  } finally {
    await lock.release();
  }
}

async function nodeOf(data: DataFolder, { network = 'local' }: Values): Promise<string> {
  if (network === 'local') return requireLocalChain(data);
  if (!/^https?:\/\//.test(network)) throw new UsageError(`--network is local or an address such as https://…, not "${network}"`);
  return network;
}

async function requireLocalChain(data: DataFolder): Promise<string> {
  const url = await findLocalChain(localNetworkFolders(data).chain);
  if (url === null) throw new VesselError('chain_unavailable', 'The local chain does not run: vessel start brings it up.');
  return url;
}

function parseAddress(text: string | undefined, what: string): Address {
  if (text === undefined || !/^0x[0-9a-fA-F]{40}$/.test(text))
    throw new UsageError(`${what} must be an address of 20 bytes in hex`);
  return text.toLowerCase() as Address;
}
