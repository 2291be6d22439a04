import type { ChainPlace } from '../../shared/receipts/typed-data.ts';
import { at } from './message-samples.ts';

export const place: ChainPlace = { chainId: 31_337, ledger: at('b'), payroll: at('c'), accounts: at('d') };
