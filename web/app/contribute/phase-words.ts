/** What the tab is doing, in a title and a sentence. */
import { formatProgress, layersPhrase, plural } from '../format.ts';
import type { Contribution, PauseReason } from '../network.ts';

const pauseWords: Record<PauseReason, string> = {
  hidden: 'This page was in the background, where phones stop it. It goes on when you look at it.',
  battery: 'The device runs on battery. It goes on when it is charging.',
  metered: 'The connection is metered. It goes on when it is not.',
  relay: 'The relay cannot be reached. It goes on when the connection is back.',
};

export function phaseWords(contribution: Contribution): { title: string; detail: string } {
  const { shard, backend } = contribution;
  const share = shard === null ? 'its share' : `${layersPhrase(shard.from, shard.to)} of ${shard.model}`;
  switch (contribution.phase) {
    case 'off':
      return { title: 'Not contributing', detail: 'Nothing runs until you press Start.' };
    case 'starting':
      return { title: 'Asking for a share', detail: 'The relay picks the layers that the network needs most.' };
    case 'downloading':
      return {
        title: `Downloading ${formatProgress(contribution.progress.bytes, contribution.progress.total)}`,
        detail:
          contribution.storage === 'memory'
            ? `Getting ${share}. This browser keeps nothing between visits, so the next one downloads again.`
            : `Getting ${share}. They stay in this browser: the next visit downloads nothing.`,
      };
    case 'loading':
      return {
        title: 'Loading the layers',
        detail:
          backend === 'wasm' ? 'The weights are made ready for the processor.' : 'The weights move to the graphics processor.',
      };
    case 'checking':
      return { title: 'Checking this device', detail: 'It computes something with a known answer before it may serve anyone.' };
    case 'ready':
      return { title: 'Ready', detail: 'Waiting for somebody to ask.' };
    case 'working':
      return { title: `Answering ${plural(contribution.sessions, 'session')}`, detail: `This tab computes ${share}.` };
    case 'paused':
      return { title: 'Paused', detail: pauseWords[contribution.reason] };
    case 'failed':
      return { title: 'Not contributing', detail: contribution.message };
    default:
      return contribution satisfies never;
  }
}
