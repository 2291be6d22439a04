/** A browser wallet for tests: it announces itself in the page (EIP-6963), and a viem account in this process does the signing. */
import type { BrowserContext, Page } from 'playwright-core';
import { createWalletClient, defineChain, type Hex, http, numberToHex } from 'viem';
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts';

interface WalletAnswer {
  result?: unknown;
  error?: { code: number; message: string };
}

class WalletRefusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export class TestWallet {
  readonly name: string;
  account: PrivateKeyAccount = newAccount();
  /** Methods asked for, in order. */
  readonly asked: string[] = [];
  /** Of the chains it knows; what pages add comes to it. */
  readonly rpcUrls = new Map<number, string>();
  /** Methods that the person declines, each once. */
  readonly declines: string[] = [];
  chainId = 1;
  /** Says it switched, and does not. */
  isStubborn = false;
  #isLetIn = false;

  constructor(name = 'Test Wallet') {
    this.name = name;
    this.rpcUrls.set(1, 'http://127.0.0.1:9');
  }

  get address(): string {
    return this.account.address.toLowerCase();
  }

  async install(context: BrowserContext): Promise<void> {
    const bridge = `wallet_${this.name.replace(/\W/g, '')}`;
    await context.exposeFunction(bridge, (method: string, params: unknown[]) => this.#answer(method, params));
    await context.addInitScript(announce, { name: this.name, bridge });
  }

  /** As when the person picks another account in the wallet. */
  async changeAccount(page: Page): Promise<void> {
    this.account = newAccount();
    await page.evaluate((account) => {
      window.dispatchEvent(new CustomEvent('test-wallet-accounts', { detail: [account] }));
    }, this.account.address);
  }

  async #answer(method: string, params: unknown[]): Promise<WalletAnswer> {
    this.asked.push(method);
    try {
      const declined = this.declines.indexOf(method);
      if (declined >= 0) {
        this.declines.splice(declined, 1);
        throw new WalletRefusal(4001, 'User rejected the request.');
      }
      return { result: await this.#handle(method, params) };
    } catch (thrown) {
      const code = thrown instanceof WalletRefusal ? thrown.code : -32603;
      return { error: { code, message: (thrown as Error).message } };
    }
  }

  async #handle(method: string, params: unknown[]): Promise<unknown> {
    switch (method) {
      case 'eth_requestAccounts':
        this.#isLetIn = true;
        return [this.account.address];
      case 'eth_accounts':
        return this.#isLetIn ? [this.account.address] : [];
      case 'eth_chainId':
        return numberToHex(this.chainId);
      case 'wallet_switchEthereumChain': {
        const chainId = Number((params[0] as { chainId: Hex }).chainId);
        if (!this.rpcUrls.has(chainId)) throw new WalletRefusal(4902, 'Unrecognized chain ID.');
        if (!this.isStubborn) this.chainId = chainId;
        return null;
      }
      case 'wallet_addEthereumChain': {
        const { chainId, rpcUrls } = params[0] as { chainId: Hex; rpcUrls: string[] };
        this.rpcUrls.set(Number(chainId), rpcUrls[0]!);
        return null;
      }
      case 'personal_sign':
        return this.account.signMessage({ message: { raw: params[0] as Hex } });
      case 'eth_signTypedData_v4': {
        const { domain, types, primaryType, message } = JSON.parse(params[1] as string);
        if (Number(domain.chainId) !== this.chainId)
          throw new WalletRefusal(-32602, 'Provided chainId must match the active one.');
        return this.account.signTypedData({ domain, types, primaryType, message });
      }
      case 'eth_sendTransaction': {
        const { to, data } = params[0] as { to: Hex; data: Hex };
        return this.#client().sendTransaction({ to, data });
      }
      default:
        throw new WalletRefusal(4200, `No such method: ${method}`);
    }
  }

  /** Through the address that the page gave for the chain. */
  #client() {
    const url = this.rpcUrls.get(this.chainId)!;
    const chain = defineChain({
      id: this.chainId,
      name: 'test',
      nativeCurrency: { name: 'Coin', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [url] } },
    });
    return createWalletClient({ account: this.account, chain, transport: http(url) });
  }
}

function newAccount(): PrivateKeyAccount {
  return privateKeyToAccount(generatePrivateKey());
}

/** Runs in the page. */
function announce({ name, bridge }: { name: string; bridge: string }): void {
  const call = (globalThis as unknown as Record<string, (method: string, params: unknown) => Promise<WalletAnswer>>)[bridge]!;
  const provider = {
    async request({ method, params = [] }: { method: string; params?: unknown[] }) {
      const { result, error } = await call(method, params);
      if (error) throw Object.assign(new Error(error.message), { code: error.code });
      return result;
    },
    on(_event: string, listener: (accounts: string[]) => void) {
      window.addEventListener('test-wallet-accounts', (event) => listener((event as CustomEvent<string[]>).detail));
    },
    removeListener() {},
  };
  const circle =
    '%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"%3E%3Ccircle cx="4" cy="4" r="4" fill="%23b4520a"/%3E%3C/svg%3E';
  const info = { uuid: crypto.randomUUID(), name, icon: `data:image/svg+xml,${circle}`, rdns: `test.${bridge}` };
  const say = () =>
    window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }));
  window.addEventListener('eip6963:requestProvider', say);
  say();
}
