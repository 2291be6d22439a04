/** Puts everything about money together, for a relay that has a chain. */
import { join } from 'node:path';
import type { PrivateKeyAccount } from 'viem/accounts';
import type { RelayChain } from '../chain/relay-chain.ts';
import { SessionKeys } from '../http/keys/session-keys.ts';
import type { Money } from '../http/money.ts';
import { openLedger } from '../ledger/open-ledger.ts';
import { answerBooks } from '../payments/books-report.ts';
import { booksSocketPath, serveBooks } from '../payments/books-socket.ts';
import { type BooksReport, checkBooks } from '../payments/check-books.ts';
import { defaultPaymentSettings, type PaymentSettings } from '../payments/payment-settings.ts';
import { RelayPayments } from '../payments/relay-payments.ts';
import { FileStore } from '../storage/file-store.ts';
import { chainMoney } from './chain-money.ts';
import { openHouseParty } from './house-party.ts';

export interface PaidNetworkOptions {
  relayChain: RelayChain;
  /** The relay's own: session keys and, without `databaseUrl`, the books. */
  folder: string;
  databaseUrl: string | undefined;
  /** Layers of a model; 1 for a whole graph. */
  layersOf: (model: string) => number;
  /** Names by which wallets may sign in. */
  domains: () => string[];
  /** Pays for the keys of the command line: for the local demo. */
  housePayer?: PrivateKeyAccount;
  settings?: Partial<PaymentSettings>;
  onTrouble?: (error: unknown) => void;
}

export interface PaidNetwork {
  readonly payments: RelayPayments;
  readonly money: Money;
  checkBooks(): Promise<BooksReport>;
  close(): Promise<void>;
}

/** Throws `forbidden` when the operator has not named the relay's key, `chain_unavailable` without a chain. */
export async function openPaidNetwork(options: PaidNetworkOptions): Promise<PaidNetwork> {
  const { relayChain, folder, databaseUrl, layersOf, domains, housePayer } = options;
  const { chain, key, operator } = relayChain;
  const ledger = await openLedger(folder, databaseUrl);
  try {
    const sessionKeys = await SessionKeys.open(new FileStore(join(folder, 'session-keys.json')));
    const sender = relayChain.openSender(ledger);
    const payments = await RelayPayments.open({
      ledger,
      chain,
      sender,
      operator,
      publisher: key,
      findSigner: (address) => sessionKeys.signer(address),
      // Providers that ask more than the terms are not matched, so no route is dearer than this.
      dearestRoute: (model) => [{ layers: layersOf(model), ask: options.settings?.ask ?? defaultPaymentSettings.ask }],
      ...(options.settings ? { settings: options.settings } : {}),
      ...(options.onTrouble ? { onTrouble: options.onTrouble } : {}),
    });
    await sender.resume();
    payments.start();
    const houseParty = housePayer ? await openHouseParty({ relayChain, ledger, sessionKeys }, housePayer) : null;
    const money = chainMoney({ relayChain, sender, ledger, payments, sessionKeys, domains, houseParty });
    const stopBooks = await serveBooks(booksSocketPath(folder), (path) =>
      answerBooks(path, { ledger, chain, operator, catchUp: () => payments.catchUp() }),
    );
    return {
      payments,
      money,
      checkBooks: async () => {
        await payments.catchUp();
        return checkBooks(ledger, chain, operator);
      },
      close: async () => {
        await stopBooks();
        await payments.close();
        await sender.close();
        await ledger.close();
      },
    };
  } catch (thrown) {
    await ledger.close();
    throw thrown;
  }
}
