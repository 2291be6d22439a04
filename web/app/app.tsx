import { lazy, Suspense, useEffect } from 'react';
import { ContributeSection } from './contribute/contribute-section.tsx';
import { documentTitle } from './document-title.ts';
import { Header } from './header.tsx';
import { useMoney } from './money/use-money.tsx';
import { SupportNotices } from './support-notices.tsx';
import { useHiddenPause } from './use-hidden-pause.ts';
import { useNodeState } from './use-node.tsx';
import { useScreen } from './use-screen.ts';

// Whoever only contributes gets the two of them after what they came for.
const AskSection = lazy(() => import('./chat/ask-section.tsx'));
const NetworkSection = lazy(() => import('./route/network-section.tsx'));
// With viem in it: for those who open it.
const KeysScreen = lazy(() => import('./keys/keys-screen.tsx'));

export function App() {
  const title = useNodeState((state) => documentTitle(state.contribution));
  useEffect(() => {
    document.title = title;
  }, [title]);
  useHiddenPause();
  const money = useMoney();
  const screen = useScreen();
  const showsKeys = screen === 'keys' && money !== null;

  return (
    <div id="top" className="page">
      <a className="skip-link" href="#ask">
        Skip to the question box
      </a>
      <Header />
      <main>
        {showsKeys && (
          <>
            <div className="intro">
              <h1>API keys</h1>
              <p>Pay for answers with AIC from your own wallet. A key spends what you authorize it for, and nothing else.</p>
            </div>
            <Suspense fallback={<section className="panel" aria-busy="true" />}>
              <KeysScreen money={money} />
            </Suspense>
          </>
        )}
        {/* Hidden, not gone: an answer goes on, and the conversation is there when one comes back. */}
        <div hidden={showsKeys}>
          <div className="intro">
            <h1>A computer made of open tabs</h1>
            <p>Open AI models run here layer by layer, each layer in somebody’s browser tab. Lend yours, or ask the others.</p>
          </div>
          <SupportNotices />
          <div className="columns">
            <ContributeSection />
            <Suspense fallback={<section className="panel ask" aria-busy="true" />}>
              <AskSection />
            </Suspense>
            <Suspense fallback={<section className="panel network" aria-busy="true" />}>
              <NetworkSection />
            </Suspense>
          </div>
        </div>
      </main>
    </div>
  );
}
