/**
 * A way to the local chain on which things go wrong, once each: every question of a life is known by the step it belongs to, what it asks,
 * and how often that was asked before in this step. A walk lives again and again until every one has met its fault.
 */
import { createPublicClient, custom, keccak256, type PublicClient, RpcRequestError } from 'viem';
import type { Hex } from '../shared/receipts/hex.ts';
import { callNode } from './chain-under-test.ts';

export type ChainFault =
  /** The node is down: it does not hear this question, nor the next ones. */
  | 'down'
  /** It does what it is asked, and its answer is lost. */
  | 'unheard'
  /** The newest blocks are reorganised away, with all that was in them, before it answers. */
  | 'reorganised'
  /** It takes the transaction, and drops it from its pool before it is in a block. Only sends. */
  | 'dropped'
  /** The transaction's block is reorganised away before it is confirmed. Only sends. */
  | 'orphaned';

interface Question {
  method: string;
  params?: unknown;
}

/** Questions in a row that a node does not hear while it is down. */
const downFor = 4;
/** Of the same question in one step: waiting asks it over and over. */
const maxRepeats = 4;
const maxSends = 12;
export const reorgDepth = 2;
/** One more than ever goes away. */
export const faultyConfirmations = reorgDepth + 1;

export class FaultyNode {
  /** Name of the step of life that goes on. */
  step = '';
  /** How many faults there were in this life. */
  faults = 0;
  readonly client: PublicClient;
  readonly #url: string;
  readonly #fault: ChainFault;
  readonly #met: Set<string>;
  readonly #gap: number;
  readonly #asked = new Map<string, number>();
  #sinceFault = Number.POSITIVE_INFINITY;
  #downLeft = 0;
  /** Blocks until what was sent last is reorganised away. */
  #orphanIn = -1;

  /** `met`: shared by the lives of one walk. `gap`: questions that go well between two faults; Infinity: one fault a life. */
  constructor(url: string, fault: ChainFault, met: Set<string>, gap: number) {
    this.#url = url;
    this.#fault = fault;
    this.#met = met;
    this.#gap = gap;
    this.client = createPublicClient({
      transport: custom({ request: (question: Question) => this.#ask(question) }, { retryCount: 0 }),
      cacheTime: 0,
    });
  }

  async #ask({ method, params }: Question): Promise<unknown> {
    const real = () => this.#answer({ method, params });
    if (method === 'eth_blockNumber') await this.#makeBlock();
    const isNew = this.#isNew(method, params);
    if (this.#downLeft > 0) {
      this.#downLeft -= 1;
      throw new Error('the node is down');
    }
    if (!isNew) return real();
    switch (this.#fault) {
      case 'down':
        this.#downLeft = downFor - 1;
        throw new Error('the node is down');
      case 'unheard':
        await real().catch(() => undefined);
        throw new Error('the answer was lost');
      case 'reorganised':
        await this.#reorganise();
        return real();
      case 'dropped':
        return this.#sendAndDrop(params as [Hex]);
      case 'orphaned':
        // Half of them in the block after theirs already.
        this.#orphanIn = this.#met.size % reorgDepth;
        return real();
    }
  }

  /** With the data that a refusal brings. */
  async #answer(question: Question): Promise<unknown> {
    const body = { jsonrpc: '2.0', id: 1, params: [], ...question };
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(this.#url, { method: 'POST', headers, body: JSON.stringify(body) });
    const { result, error } = (await response.json()) as { result: unknown; error?: { code: number; message: string } };
    if (error) throw new RpcRequestError({ body, error, url: this.#url });
    return result;
  }

  /** True for a question that has not met its fault yet, when it is time for one. */
  #isNew(method: string, params: unknown): boolean {
    this.#sinceFault += 1;
    const isSend = method === 'eth_sendRawTransaction';
    if ((this.#fault === 'dropped' || this.#fault === 'orphaned') && !isSend) return false;
    const name = `${this.step} ${method} ${selectorOf(params)}`;
    const times = (this.#asked.get(name) ?? 0) + 1;
    this.#asked.set(name, times);
    const identity = `${name} ${times}`;
    if (
      this.#downLeft > 0 ||
      this.#sinceFault <= this.#gap ||
      times > (isSend ? maxSends : maxRepeats) ||
      this.#met.has(identity)
    )
      return false;
    this.#met.add(identity);
    this.#sinceFault = 0;
    this.faults += 1;
    return true;
  }

  /** Nothing else happens on this chain: whoever waits for confirmations makes them. */
  async #makeBlock(): Promise<void> {
    if (this.#orphanIn === 0) await this.#reorganise();
    else await callNode(this.#url, 'evm_mine');
    this.#orphanIn -= 1;
  }

  async #reorganise(): Promise<void> {
    await callNode(this.#url, 'anvil_reorg', [reorgDepth, []]);
  }

  async #sendAndDrop([transaction]: [Hex]): Promise<Hex> {
    await callNode(this.#url, 'evm_setAutomine', [false]);
    const hash = await callNode<Hex>(this.#url, 'eth_sendRawTransaction', [transaction]);
    await callNode(this.#url, 'anvil_dropTransaction', [keccak256(transaction)]);
    await callNode(this.#url, 'evm_setAutomine', [true]);
    return hash;
  }
}

function selectorOf(params: unknown): string {
  const [call] = Array.isArray(params) ? params : [];
  const data: unknown = call?.data ?? call?.input;
  return typeof data === 'string' ? data.slice(0, 10) : '';
}
