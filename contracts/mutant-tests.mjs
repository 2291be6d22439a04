/**
 * Compiles many versions of one contract at a time and runs its Solidity tests on each, all in one process. The tests are compiled once:
 * where they say `new X(…)` they are made to deploy whatever artifact of X the run is given. Versions are compiled without the optimizer,
 * which changes no meaning and takes most of the time.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import hre from 'hardhat';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
const solc = require('solc');
const inside = (path) =>
  import(pathToFileURL(join(dirname(require.resolve('hardhat/package.json')), 'dist/src/internal', path)).href);
const { getGlobalEdrContext } = await inside('edr/context.js');
const { hardhatChainTypeToEdrChainType } = await inside('edr/chain-type.js');
const { solidityTestConfigToSolidityTestRunnerConfigArgs, isTestSuiteArtifact } = await inside(
  'builtin-plugins/solidity-test/helpers.js',
);

/** Few random inputs: what a mutant breaks should be met by a named test, not by luck. */
const fuzz = { runs: 32 };
const invariant = { runs: 4, depth: 16 };
/** A mutant may loop without end; no honest test comes near. */
const gasLimit = 200_000_000n;

const solcVersion = '0.8.37';
const deployer = 'contracts/test/support/DeployArtifact.sol';
const deployerSource = `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface Code {
    function getCode(string calldata name) external view returns (bytes memory);
}

function deployArtifact(string memory name, bytes memory arguments) returns (address at) {
    bytes memory code = bytes.concat(Code(address(uint160(uint256(keccak256("hevm cheat code"))))).getCode(name), arguments);
    assembly {
        at := create(0, add(code, 0x20), mload(code))
        if iszero(at) {
            returndatacopy(0, 0, returndatasize())
            revert(0, returndatasize())
        }
    }
}
`;

const sourceOf = (name) => `contracts/src/${name}.sol`;
const readSource = (name) => readFileSync(name.startsWith('contracts/') ? join(root, name) : require.resolve(name), 'utf8');
export const contractNames = () =>
  readdirSync(join(root, 'contracts/src'))
    .filter((file) => file.endsWith('.sol'))
    .map((file) => file.slice(0, -'.sol'.length));

/** The contract, and those whose code holds a copy of its code. */
const familyOf = (name) =>
  contractNames().filter(
    (other) => other === name || new RegExp(`new ${name}\\b|type\\(${name}\\)`).test(readSource(sourceOf(other))),
  );

function compile(sources, wanted, optimizer, read) {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [name, { content }])),
    settings: { optimizer, evmVersion: 'osaka', outputSelection: wanted },
  };
  return JSON.parse(solc.compile(JSON.stringify(input), { import: (name) => ({ contents: read(name) }) }));
}

const outputs = ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'];
const optimized = { enabled: true, runs: 10_000 };

const errorsOf = ({ errors = [] }) => errors.filter(({ severity }) => severity === 'error');

const artifactsOf = ({ contracts }) =>
  Object.entries(contracts).flatMap(([source, found]) =>
    Object.entries(found).map(([name, { abi, evm }]) => ({
      id: { name, source, solcVersion },
      contract: {
        abi: JSON.stringify(abi),
        bytecode: `0x${evm.bytecode.object}`,
        linkReferences: {},
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
        deployedLinkReferences: {},
      },
    })),
  );

/** Each `new X(a, b)` as a deployment of the artifact of X; brackets nest. */
function deployingArtifacts(content) {
  const start = new RegExp(`\\bnew (${contractNames().join('|')})\\(`);
  let text = content;
  for (let match = start.exec(text); match; match = start.exec(text)) {
    const open = match.index + match[0].length;
    let close = open;
    for (let depth = 1; depth > 0; close++) depth += text[close] === '(' ? 1 : text[close] === ')' ? -1 : 0;
    const [, name] = match;
    const call = `${name}(deployArtifact("${sourceOf(name)}:${name}", abi.encode(${text.slice(open, close - 1)})))`;
    text = text.slice(0, match.index) + call + text.slice(close);
  }
  return text === content ? content : `${text}\nimport {deployArtifact} from "${deployer}";\n`;
}

/** Named tests of the contract itself, then attacks and others, invariants last. */
const suiteOrder = ({ source }, name) => (source.endsWith(`/${name}.t.sol`) ? 0 : source.includes('.invariants.') ? 2 : 1);

const filesUnder = (folder) => readdirSync(join(root, folder)).map((file) => `${folder}/${file}`);

export class MutantTests {
  /** @param {string} name contract whose versions are tried, with its tests and those of contracts it deploys or that deploy it */
  constructor(name) {
    this.name = name;
    this.family = familyOf(name);
    const isOwn = (file) => file.startsWith('contracts/src/');
    const read = (file) =>
      file === deployer
        ? deployerSource
        : file.startsWith('contracts/test/')
          ? deployingArtifacts(readSource(file))
          : readSource(file);
    const folder = join(root, 'contracts/test');
    const meant = contractNames().filter((other) => this.family.includes(other) || familyOf(other).includes(name));
    const files = readdirSync(folder).filter((file) => file.endsWith('.t.sol') && meant.includes(file.split('.')[0]));
    const tests = Object.fromEntries(files.map((file) => [`contracts/test/${file}`, read(`contracts/test/${file}`)]));
    const paths = [...Object.keys(tests), ...filesUnder('contracts/test/support')];
    const own = Object.fromEntries(contractNames().map((other) => [sourceOf(other), readSource(sourceOf(other))]));
    const testOutput = compile(
      tests,
      Object.fromEntries(paths.map((path) => [path, { '*': outputs }])),
      { enabled: false },
      read,
    );
    const ownOutput = compile(own, { '*': { '*': outputs } }, optimized, read);
    const [error] = [...errorsOf(testOutput), ...errorsOf(ownOutput)];
    if (error) throw new Error(error.formattedMessage);
    this.artifacts = [...artifactsOf(testOutput), ...artifactsOf(ownOutput).filter(({ id }) => isOwn(id.source))];
    // Some code runs out of stack without the optimizer.
    this.optimizer = { enabled: false };
    if (this.compileAll([readContract(name)])[0] === null) this.optimizer = optimized;
    this.suites = this.artifacts
      .filter(({ id, contract }) => id.source.endsWith('.t.sol') && isTestSuiteArtifact({ contract }))
      .map(({ id }) => id)
      .sort((a, b) => suiteOrder(a, name) - suiteOrder(b, name));
    /** Changes with the tests, and with everything they stand on but the contract itself. */
    this.digest = createHash('sha256')
      .update(
        JSON.stringify(
          this.artifacts.filter(({ id }) => !this.family.includes(id.name)).map(({ contract }) => contract.bytecode),
        ),
      )
      .digest('hex');
  }

  /**
   * @param {string[]} versions whole sources of the contract
   * @returns for each the artifacts of its family, or null for what is no Solidity
   */
  compileAll(versions) {
    const place = (index) => `versions/${index}/`;
    const rewrite = (text) =>
      text.replace(/"\.\/([\w/]+)\.sol"/g, (whole, path) => (this.family.includes(path) ? whole : `"contracts/src/${path}.sol"`));
    const bad = new Set();
    for (;;) {
      const good = versions.map((_, index) => index).filter((index) => !bad.has(index));
      if (good.length === 0) return versions.map(() => null);
      const sources = {};
      const wanted = {};
      for (const index of good) {
        for (const name of this.family) {
          const content = name === this.name ? versions[index] : readSource(sourceOf(name));
          sources[`${place(index)}${name}.sol`] = rewrite(content);
          wanted[`${place(index)}${name}.sol`] = { [name]: outputs };
        }
      }
      const output = compile(sources, wanted, this.optimizer, readSource);
      const failed = new Set(
        errorsOf(output).map(({ sourceLocation }) =>
          Number(/^versions\/(\d+)\//.exec(sourceLocation?.file ?? '')?.[1] ?? Number.NaN),
        ),
      );
      if (failed.size === 0) {
        const all = artifactsOf(output);
        return versions.map((_, index) =>
          bad.has(index)
            ? null
            : all
                .filter(({ id }) => id.source.startsWith(place(index)))
                .map(({ id, contract }) => ({ id: { ...id, source: sourceOf(id.name) }, contract })),
        );
      }
      // An error of the code generator names no place: then each for itself.
      if (failed.has(Number.NaN)) {
        if (good.length > 1) return versions.flatMap((version) => this.compileAll([version]));
        failed.add(good[0]);
      }
      for (const index of failed) bad.add(index);
    }
  }

  /** The first test that fails with these artifacts in place of the contract's own; undefined if none does. */
  async failure(artifacts = []) {
    const replaced = new Map(artifacts.map((artifact) => [artifact.id.name, artifact]));
    const all = this.artifacts.map((artifact) =>
      artifact.id.source.startsWith('contracts/src/') ? (replaced.get(artifact.id.name) ?? artifact) : artifact,
    );
    // The suite by which most mutants die comes first.
    for (const suite of this.suites) {
      const failed = await this.#run(all, suite);
      if (failed !== undefined) return failed;
    }
    return undefined;
  }

  async #run(artifacts, suite) {
    const { eip712Types: _, ...profile } = hre.config.test.solidity.profiles.default;
    const config = await solidityTestConfigToSolidityTestRunnerConfigArgs({
      chainType: 'l1',
      projectRoot: root,
      hardfork: 'osaka',
      config: { ...profile, gasLimit, fuzz: { ...profile.fuzz, ...fuzz }, invariant: { ...profile.invariant, ...invariant } },
      verbosity: 0,
      generateGasReport: false,
      eip712CanonicalTypes: [],
      testSourcePaths: {},
      testProfile: 'default',
      declaredTestProfiles: ['default'],
    });
    const edr = await getGlobalEdrContext();
    let failed;
    // A suite reports from another thread, and maybe after the run.
    const reported = Promise.withResolvers();
    const onSuite = ({ testResults }) => {
      for (const { name, status, reason } of testResults) if (status === 'Failure') failed ??= `${name}: ${reason}`;
      reported.resolve();
    };
    const type = hardhatChainTypeToEdrChainType('l1');
    await edr.runSolidityTests(type, artifacts, [suite], config, { buildInfos: [], ignoreContracts: false }, onSuite);
    await reported.promise;
    return failed;
  }
}

export const readContract = (name) => {
  const path = join(root, sourceOf(name));
  if (!existsSync(path)) throw new Error(`There is no contract ${name} in contracts/src.`);
  return readFileSync(path, 'utf8');
};
