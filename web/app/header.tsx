import { phaseWords } from './contribute/phase-words.ts';
import { Mark } from './mark.tsx';
import { useMoney } from './money/use-money.tsx';
import type { NodeState } from './network.ts';
import { useNode, useNodeState } from './use-node.tsx';

const relayWords: Record<NodeState['relay'], string> = {
  connecting: 'Connecting…',
  online: 'Online',
  offline: 'Reconnecting…',
};

export function Header() {
  const relay = useNodeState((state) => state.relay);
  const isPaid = useMoney() !== null;
  return (
    <header className="header">
      <a className="brand" href="#top">
        <Mark />
        <span className="wordmark">Vessel</span>
      </a>
      <nav aria-label="Sections">
        <a href="#contribute">Contribute</a>
        <a href="#ask">Ask</a>
        <a href="#network">Network</a>
        {isPaid && <a href="#keys">Keys</a>}
      </nav>
      <p className="relay" data-state={relay} role="status">
        <span className="dot" aria-hidden="true" />
        <span className="visually-hidden">Relay: </span>
        <span className="relay-word">{relayWords[relay]}</span>
      </p>
      <WorkingChip />
    </header>
  );
}

/** On a small screen the contribute panel may be scrolled away: what the tab does, and Stop, stay in sight. */
function WorkingChip() {
  const node = useNode();
  const contribution = useNodeState((state) => state.contribution);
  if (contribution.phase === 'off' || contribution.phase === 'failed') return null;
  return (
    <div className="working-chip" data-phase={contribution.phase}>
      <a className="working-link" href="#contribute">
        {phaseWords(contribution).title}
      </a>
      <button type="button" className="button-small" onClick={() => void node.stopContribution()}>
        Stop
        <span className="visually-hidden"> contributing</span>
      </button>
    </div>
  );
}
