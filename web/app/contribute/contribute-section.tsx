/** Lend this device: never starts by itself, says what it does, stops in one click (design C3). */
import { lazy, Suspense, useState } from 'react';
import { isPhone, memoryPledges } from '../device.ts';
import { readHideAddress } from '../hide-address.ts';
import { useMoney } from '../money/use-money.tsx';
import type { Contribution, Support } from '../network.ts';
import { Notice } from '../support-notices.tsx';
import { useNode, useNodeState } from '../use-node.tsx';
import { ContributeSettings, type Pledge } from './contribute-settings.tsx';
import { ContributionStatus } from './contribution-status.tsx';

// Free networks never load it.
const EarningsPanel = lazy(() => import('./earnings-panel.tsx'));

export function ContributeSection() {
  const money = useMoney();
  const contribution = useNodeState((state) => state.contribution);
  const isOn = contribution.phase !== 'off' && contribution.phase !== 'failed';
  return (
    <section id="contribute" className="panel contribute" aria-labelledby="contribute-title">
      <h2 id="contribute-title">{isOn ? 'This tab is lent' : 'Lend this tab'}</h2>
      {isOn ? <Running contribution={contribution} /> : <Offer contribution={contribution} />}
      {money !== null && (
        <Suspense>
          <EarningsPanel money={money} />
        </Suspense>
      )}
    </section>
  );
}

function Running(props: { contribution: Contribution }) {
  const node = useNode();
  return (
    <>
      <ContributionStatus contribution={props.contribution} />
      <button type="button" className="button button-stop" onClick={() => void node.stopContribution()}>
        Stop contributing
      </button>
    </>
  );
}

function Offer(props: { contribution: Contribution }) {
  const node = useNode();
  const support = useNodeState((state) => state.support);
  const [chosen, setPledge] = useState<Pledge>(() => ({
    memory: memoryPledges().first,
    dutyCycle: 0.5,
    backend: 'webgpu',
    hideAddress: readHideAddress(),
  }));
  const pledge: Pledge = support?.webgpu === null ? { ...chosen, backend: 'wasm' } : chosen;
  const { contribution } = props;
  const start = () => {
    const memoryBytes = memoryPledges().choices[pledge.memory] ?? 0;
    void node.startContribution({
      memoryBytes,
      dutyCycle: pledge.dutyCycle,
      backend: pledge.backend,
      hideAddress: pledge.hideAddress,
    });
  };
  return (
    <>
      <p className="lead">
        {pledge.backend === 'wasm' ? 'Your processor' : 'Your graphics processor'} computes a few layers of an open model for
        people who ask. You stop it in one click.
      </p>
      {contribution.phase === 'failed' && (
        <Notice tone="bad" title="Contributing has ended">
          {contribution.message}
        </Notice>
      )}
      <NoWebGpu support={support} />
      <ul className="facts">
        <li>
          {pledge.hideAddress ? (
            <>
              <strong>Others do not see your IP address.</strong> Only the servers of this network do.
            </>
          ) : (
            <>
              <strong>Others see your IP address.</strong> Tabs connect to each other directly; you can hide it below.
            </>
          )}
        </li>
        <li>
          <strong>A provider can read what it computes on.</strong> Your tab handles other people’s text; treat it as private.
        </li>
        <li>
          <strong>{isPhone() ? 'Keep this page in front.' : 'Keep this tab open.'}</strong>{' '}
          {isPhone() ? 'A phone pauses what it does not show.' : 'It works in the background; closing it ends your part.'}
        </li>
      </ul>
      <ContributeSettings pledge={pledge} adapter={support?.webgpu ?? null} onChange={setPledge} />
      <button type="button" className="button" onClick={start} disabled={!canStart(support)}>
        {contribution.phase === 'failed' ? 'Start again' : 'Start contributing'}
      </button>
    </>
  );
}

function NoWebGpu(props: { support: Support | null }) {
  const { support } = props;
  if (support === null || !support.secureContext || support.webgpu !== null) return null;
  return (
    <Notice tone="info" title="No WebGPU here, the processor will do">
      {support.reason} You can contribute with the CPU, slower but just as right, and asking works as usual.
    </Notice>
  );
}

function canStart(support: Support | null): boolean {
  return support?.secureContext === true && support.webrtc;
}
