/** What the tab is doing while it contributes. */
import { formatBytes, formatCount } from '../format.ts';
import type { Contribution } from '../network.ts';
import { LayerBar } from './layer-bar.tsx';
import { phaseWords } from './phase-words.ts';

export function ContributionStatus(props: { contribution: Contribution }) {
  const { contribution } = props;
  const { title, detail } = phaseWords(contribution);
  return (
    <div className="contribution" data-phase={contribution.phase}>
      <div className="phase" role="status">
        <p className="phase-title">
          <span className="dot" aria-hidden="true" />
          {title}
        </p>
        <p className="phase-detail">{detail}</p>
      </div>
      <PhaseProgress contribution={contribution} />
      {contribution.shard !== null && <LayerBar shard={contribution.shard} />}
      {hasBegun(contribution) && (
        <dl className="figures">
          <Figure label="Tokens served" value={formatCount(contribution.tokensServed)} isMain />
          <Figure label="Sessions now" value={formatCount(contribution.sessions)} />
          <Figure label="Data received" value={formatBytes(contribution.bytesIn)} />
          <Figure label="Data sent" value={formatBytes(contribution.bytesOut)} />
        </dl>
      )}
      <p className="device-line">{deviceLine(contribution)}</p>
    </div>
  );
}

function PhaseProgress(props: { contribution: Contribution }) {
  const { contribution } = props;
  switch (contribution.phase) {
    case 'downloading':
      return (
        <progress
          className="progress"
          aria-label="Download"
          value={contribution.progress.bytes}
          max={Math.max(1, contribution.progress.total)}
        />
      );
    case 'starting':
    case 'loading':
    case 'checking':
      return <progress className="progress" aria-label="Getting ready" />;
    default:
      return null;
  }
}

function Figure(props: { label: string; value: string; isMain?: boolean }) {
  return (
    <div data-main={props.isMain ?? false}>
      <dt>{props.label}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}

/** Before it is ready there is nothing to count. */
function hasBegun({ phase, tokensServed }: Contribution): boolean {
  return phase === 'ready' || phase === 'working' || tokensServed > 0;
}

function deviceLine(contribution: Contribution): string {
  const kind = contribution.backend === 'wasm' ? 'Processor' : 'Graphics processor';
  const device = contribution.adapter === null ? kind : `${kind}: ${contribution.adapter}`;
  const kept = contribution.storage === 'memory' ? ', nothing kept on disk' : '';
  return `${device}, up to ${Math.round(contribution.dutyCycle * 100)} % of the time${kept}. Keep this tab open.`;
}
