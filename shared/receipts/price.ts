/**
 * What an answer costs (design P3), in integer wei. A hop is paid per layer and position computed, prompt and output apart. On top
 * come the royalty of the model's asset and the network's fee, each a share of what the hops get, rounded down: against whoever is paid.
 */
import type { Address } from './hex.ts';

/** Wei per layer and position. */
export interface Ask {
  prompt: bigint;
  output: bigint;
}

export interface PricedHop {
  account: Address;
  layers: number;
  ask: Ask;
}

/** A share of the compute price beside the hops: royalty receivers and the network. Basis points, each account once. */
export interface Share {
  account: Address;
  basisPoints: number;
}

export interface Work {
  promptPositions: number;
  outputPositions: number;
}

export interface Price {
  /** Per hop, in the route's order. */
  hops: bigint[];
  /** Per share, in the order given. */
  shares: bigint[];
  total: bigint;
}

export function hopPrice({ layers, ask }: Pick<PricedHop, 'layers' | 'ask'>, work: Work): bigint {
  return BigInt(layers) * (BigInt(work.promptPositions) * ask.prompt + BigInt(work.outputPositions) * ask.output);
}

/** Shares are rounded down, each of the whole compute price. */
export function sharePrice(compute: bigint, basisPoints: number): bigint {
  return (compute * BigInt(basisPoints)) / 10_000n;
}

/** The price of `works[i]` done by `hops[i]`. */
export function priceOf(hops: readonly PricedHop[], works: readonly Work[], shares: readonly Share[]): Price {
  const perHop = hops.map((hop, index) => hopPrice(hop, works[index]!));
  const compute = perHop.reduce((sum, amount) => sum + amount, 0n);
  const perShare = shares.map(({ basisPoints }) => sharePrice(compute, basisPoints));
  return { hops: perHop, shares: perShare, total: compute + perShare.reduce((sum, amount) => sum + amount, 0n) };
}

/** The upper bound quoted before work: the whole prompt, and `maxTokens` positions after it. */
export function quote(hops: readonly PricedHop[], prompt: number, maxTokens: number, shares: readonly Share[]): bigint {
  const work = { promptPositions: prompt, outputPositions: maxTokens };
  return priceOf(
    hops,
    hops.map(() => work),
    shares,
  ).total;
}
