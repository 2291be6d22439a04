/** What went wrong between page, wallet, relay and chain, in a sentence that says what to do. */
import { toVesselError, VesselError } from '../../../shared/protocol/errors.ts';
import { walletErrorCode } from '../wallet/eip1193.ts';

const walletWords = new Map<number, string>([
  [4001, 'You declined in your wallet. Nothing was sent.'],
  [4100, 'The wallet does not let this page do that. Connect it again.'],
  [4200, 'This wallet cannot do that. Try another one.'],
  [4900, 'The wallet is not connected to any network.'],
  [4901, 'The wallet is not connected to this network.'],
  [-32002, 'The wallet is still waiting for your answer to an earlier question. Open it.'],
]);

export function explainMoneyError(thrown: unknown): string {
  if (thrown instanceof VesselError) {
    return thrown.code === 'unauthorized' ? 'Your sign-in has ended. Sign in again.' : thrown.message;
  }
  const code = walletErrorCode(thrown);
  if (code !== null) return walletWords.get(code) ?? `The wallet says: ${messageOf(thrown)}`;
  return toVesselError(thrown).message;
}

function messageOf(thrown: unknown): string {
  const { message } = thrown as { message?: unknown };
  return typeof message === 'string' ? message.slice(0, 200) : 'something went wrong.';
}
