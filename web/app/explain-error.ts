/** What went wrong with a question, and what the person can do, in plain words. */
import { type ErrorCode, toVesselError } from '../../shared/protocol/errors.ts';

export interface Explanation {
  title: string;
  advice: string;
  /** A screen where the person can do something about it. */
  link?: { to: string; words: string };
}

const explanations: Partial<Record<ErrorCode, Explanation>> = {
  no_route: {
    title: 'The tabs online do not hold the whole model',
    advice: 'Open this page in another tab or on another device, press Start there, then try again.',
  },
  provider_busy: { title: 'Every provider is busy', advice: 'Wait a moment and try again.' },
  queue_full: { title: 'The relay has all the work it can take', advice: 'Wait a moment and try again.' },
  rate_limited: { title: 'Too many questions in a short time', advice: 'Wait a minute and try again.' },
  provider_lost: { title: 'A provider left in the middle of the answer', advice: 'Try again: another one will take its place.' },
  relay_lost: {
    title: 'The connection to the relay is gone',
    advice: 'Vessel keeps reconnecting. Try again when it says online.',
  },
  deadline: { title: 'The answer did not come in time', advice: 'A provider may be slow or gone. Try again.' },
  context_exceeded: {
    title: 'The conversation is too long for this model',
    advice: 'Start a new conversation, or ask for a shorter answer.',
  },
  payment_required: {
    title: 'Answers cost AIC here, and this page has none left to spend',
    advice: 'Make an API key that your wallet pays for, and ask with it through the API.',
    link: { to: '#keys', words: 'Go to API keys' },
  },
  chain_unavailable: { title: 'The chain does not answer', advice: 'Nothing is lost. Wait a moment and try again.' },
  model_not_found: { title: 'This model is not offered any more', advice: 'Choose another model.' },
  bad_output: { title: 'A provider computed nonsense', advice: 'It is left out from now on. Try again.' },
  device_lost: { title: 'A graphics device was lost', advice: 'Try again: another provider will take its place.' },
};

export function explainError(thrown: unknown): Explanation {
  const error = toVesselError(thrown);
  return explanations[error.code] ?? { title: 'That did not work', advice: error.message };
}
