/** Made from all contracts by scripts/build-contracts.mjs. Do not edit. */

/** What block explorers are told when they verify the source. */
export const compilerVersion = 'v0.8.37+commit.f401782d';
