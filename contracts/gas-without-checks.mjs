/**
 * The contracts compiled without one of the things a lean prototype leaves out, to measure what that thing costs. Each is a piece of
 * the source and what stands there instead; a piece that is no longer there is an error, so this list follows the contracts.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));

/** What it is, and each piece with what stands there instead (nothing, where it says nothing). */
const checks = {
  ComputeLedger: [
    ['a key spends no more than its cap: what was spent is written down', ['session.authorization.spent += uint96(amount);']],
    [
      'vouchers count until the claim window ends',
      ['block.timestamp < _claimableUntil(expiry) ? cap - spent : 0', 'expiry == 0 ? 0 : cap - spent'],
    ],
    ['a word beyond its type is refused', ['if or(shr(160, payee), shr(96, cumulative)) { revert(0, 0) }']],
    ['the event of a claim', ['emit Claimed(payer, sessionKey, amount);']],
    [
      "the event of a pay-out, beside the token's own",
      ['emit PaidOut(payee, amount);\n        token.safeTransfer', 'token.safeTransfer'],
    ],
    ['anyone may pay out, to the address named in Accounts', ['to = accounts.payoutOf(payee);', 'to = payee;']],
    [
      'the token moved exactly what it was told to',
      ['if (moved != amount) revert AmountMismatch(moved, amount);'],
      ['uint256 before = token.balanceOf(address(this));'],
      ['uint256 moved = token.balanceOf(address(this)) - before;'],
    ],
    ["nobody's and the ledger's own address are refused", ['_requireUsable(payer);']],
    [
      'an authorization never shrinks, and repeating one changes nothing',
      ['if (cap < oldCap || expiry < oldExpiry) revert AuthorizationCannotShrink();'],
      ['if (cap == oldCap && expiry == oldExpiry) return;'],
    ],
    [
      'an expiry is ahead, by 400 days at most',
      ['if (expiry <= block.timestamp) revert ExpiryPassed(expiry);'],
      ['if (expiry > block.timestamp + LONGEST_VALIDITY) revert ExpiryTooFar(block.timestamp + LONGEST_VALIDITY);'],
    ],
  ],
  Payroll: [
    [
      "no tree pays out more than it said, nor from another operator's funds: what was spent is written down",
      ['if (spent > total) revert Underfunded(total, spent);'],
      ['head.spent = uint96(spent);'],
    ],
    [
      'holdback: what was forfeited is taken off',
      ['uint256 taken = paid + forfeited;', 'uint256 taken = paid;'],
      ['if (heldEpoch > epoch) taken -= earner.held;'],
    ],
    ['anyone may claim, to the address named in Accounts', ['to = accounts.payoutOf(account);', 'to = account;']],
    ["the event of a claim, beside the token's own", ['emit Claimed(operator, account, amount);']],
    ['the event of a proposal', ['emit Proposed(operator, next, root, total);']],
    ['a proposal accepts the root whose window is over', ['_settle(operator, book);\n        (uint24 next', '(uint24 next']],
    [
      'a total never falls, is funded, and one root is pending at a time',
      ['if (pendingEpoch == next) revert RootPending(next);'],
      ['if (total < counted) revert TotalFell(total, counted);'],
      ['if (funded < total) revert Underfunded(funded, total);'],
    ],
  ],
  Asset: [
    ['ids count up from 1', ['id = ++count;', 'id = uint256(digest) >> 208;']],
    ["the event of a mint, beside ERC-721's own", ['emit Minted(id, msg.sender, kind, digest);']],
    [
      'a contract is asked whether it takes the asset',
      ['ERC721Utils.checkOnERC721Received(msg.sender, address(0), to, id, "");'],
    ],
    [
      'royalties have an upper bound, and there is a digest',
      ['require(digest != 0, EmptyDigest());'],
      ['require(useRoyalty <= MAX_USE_ROYALTY, ShareTooLarge(useRoyalty));'],
      ['require(saleRoyalty <= MAX_SALE_ROYALTY, ShareTooLarge(saleRoyalty));'],
    ],
  ],
};

/** [{ what, contract, artifact }], compiled with the settings of hardhat.config.ts. */
export function compileWithout() {
  const solc = require('solc');
  return Object.entries(checks).flatMap(([contract, list]) => {
    const path = `contracts/src/${contract}.sol`;
    const source = readFileSync(`${root}${path}`, 'utf8');
    return list.map(([what, ...pieces]) => {
      const content = pieces.reduce((text, [piece, instead = '']) => {
        if (!text.includes(piece)) throw new Error(`${path} has changed, it lacks: ${piece}`);
        return text.replace(piece, instead);
      }, source);
      return { what, contract, artifact: compile(solc, contract, path, content) };
    });
  });
}

function compile(solc, contract, path, content) {
  const input = {
    language: 'Solidity',
    sources: { [path]: { content } },
    settings: {
      optimizer: { enabled: true, runs: 10_000 },
      evmVersion: 'osaka',
      outputSelection: { [path]: { [contract]: ['abi', 'evm.bytecode.object'] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(errors[0].formattedMessage);
  const { abi, evm } = output.contracts[path][contract];
  return { abi, bytecode: `0x${evm.bytecode.object}` };
}

function findImport(name) {
  const file = name.startsWith('contracts/') ? `${root}${name}` : require.resolve(name);
  return { contents: readFileSync(file, 'utf8') };
}
