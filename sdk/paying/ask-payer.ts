/** The contract lives in `shared`, because a request for an answer (`AskIds`) carries its payer. */
export type { AskPayer, Owed, SignedReceipt } from '../../shared/receipts/ask-payer.ts';
