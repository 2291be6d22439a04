import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import '../styles/tokens.css';
import '../styles/base.css';
import '../styles/contribute.css';
import { App } from './app.tsx';
import { MoneyProvider, type ReadMoney } from './money/use-money.tsx';
import type { VesselNode } from './network.ts';
import { NodeProvider } from './use-node.tsx';

export function mountApp(node: VesselNode, readMoney: ReadMoney): void {
  const place = document.getElementById('app');
  if (place === null) throw new Error('the page has no #app');
  createRoot(place).render(
    <StrictMode>
      <NodeProvider node={node}>
        <MoneyProvider read={readMoney}>
          <App />
        </MoneyProvider>
      </NodeProvider>
    </StrictMode>,
  );
}
