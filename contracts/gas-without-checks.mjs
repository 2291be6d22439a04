/**
 * ComputeLedger compiled without one of the things a lean prototype leaves out, to measure what that thing costs. Each is a piece of
 * its source and what stands there instead; a piece that is no longer there is an error, so this list follows the contract.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));
const path = 'contracts/src/ComputeLedger.sol';

const pieces = [
  ['session keys with a cap: what was spent is written down', 'session.authorization.spent += uint96(amount);', ''],
  [
    'the claim window: vouchers count until it ends',
    'block.timestamp < _claimableUntil(expiry) ? cap - spent : 0',
    'expiry == 0 ? 0 : cap - spent',
  ],
  ['the event of a claim', 'emit Claimed(voucher.payer, sessionKey, amount);', ''],
  [
    "the event of a pay-out (beside the token's own)",
    'emit PaidOut(payee, to, amount);\n        token.safeTransfer',
    'token.safeTransfer',
  ],
  ['payout addresses named in Accounts', 'accounts.payoutOf(payee)', 'payee'],
  [
    'the token moved exactly what it was told to',
    'if (moved != amount) revert AmountMismatch(moved, amount);',
    '',
    [
      ['uint256 before = token.balanceOf(address(this));', ''],
      ['uint256 moved = token.balanceOf(address(this)) - before;', ''],
    ],
  ],
  ["nobody's and the ledger's own address are refused", '_requireUsable(payer);', ''],
  [
    'an authorization never shrinks, and repeating one changes nothing',
    'if (cap < oldCap || expiry < oldExpiry) revert AuthorizationCannotShrink();',
    '',
    [['if (cap == oldCap && expiry == oldExpiry) return;', '']],
  ],
  [
    'an expiry is ahead, by 400 days at most',
    'if (expiry <= block.timestamp) revert ExpiryPassed(expiry);',
    '',
    [['if (expiry > block.timestamp + LONGEST_VALIDITY) revert ExpiryTooFar(block.timestamp + LONGEST_VALIDITY);', '']],
  ],
];

/** [{ what, artifact }], compiled with the settings of hardhat.config.ts. */
export async function compileWithout() {
  const solc = require('solc');
  const source = await readFile(`${root}${path}`, 'utf8');
  return pieces.map(([what, piece, instead, more = []]) => {
    const content = [[piece, instead], ...more].reduce((text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`${path} has changed, it lacks: ${from}`);
      return text.replace(from, to);
    }, source);
    return { what, artifact: compile(solc, content) };
  });
}

function compile(solc, content) {
  const input = {
    language: 'Solidity',
    sources: { [path]: { content } },
    settings: {
      optimizer: { enabled: true, runs: 10_000 },
      evmVersion: 'osaka',
      outputSelection: { [path]: { ComputeLedger: ['abi', 'evm.bytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors[0].formattedMessage);
  const { abi, evm } = output.contracts[path].ComputeLedger;
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

function findImport(name) {
  const file = name.startsWith('contracts/') ? `${root}${name}` : require.resolve(name);
  return { contents: require('node:fs').readFileSync(file, 'utf8') };
}
