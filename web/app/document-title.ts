/** The tab's title says what the tab does, because nobody should compute without knowing it. */
import type { Contribution } from './network.ts';

export function documentTitle(contribution: Contribution): string {
  switch (contribution.phase) {
    case 'off':
      return 'Vessel';
    case 'starting':
    case 'loading':
    case 'checking':
      return 'Getting ready – Vessel';
    case 'downloading': {
      const { bytes, total } = contribution.progress;
      return `${total === 0 ? 0 : Math.floor((100 * bytes) / total)} % – Vessel`;
    }
    case 'ready':
      return '● Ready – Vessel';
    case 'working':
      return '● Working – Vessel';
    case 'paused':
      return '‖ Paused – Vessel';
    case 'failed':
      return '! Stopped – Vessel';
    default:
      return contribution satisfies never;
  }
}
