/** Who is online and which layers they hold: a row for each provider, drawn on the model's layers. */
import '../../styles/network.css';
import { formatLayers, layersPhrase, plural } from '../format.ts';
import type { NetworkModel, NetworkProvider } from '../network.ts';
import { useNodeState } from '../use-node.tsx';
import { missingLayers } from './missing-layers.ts';
import { backendWords } from './route-picture.tsx';

/** Beyond this the rows say less than their number. */
const mostRows = 12;

export default function NetworkSection() {
  const models = useNodeState((state) => state.models);
  const providers = useNodeState((state) => state.network.providers);
  const relay = useNodeState((state) => state.relay);
  return (
    <section id="network" className="panel network" aria-labelledby="network-title">
      <div className="panel-head">
        <h2 id="network-title">Who holds what</h2>
        <p className="panel-note">{plural(new Set(providers.map(({ id }) => id)).size, 'provider')} online</p>
      </div>
      {models.length === 0 && (
        <p className="empty">{relay === 'online' ? 'The relay offers no model yet.' : 'Waiting for the relay.'}</p>
      )}
      {models.map((model) => (
        <ModelCoverage
          key={model.id}
          model={model}
          providers={providers.filter((provider) => [model.id, model.name].includes(provider.model))}
        />
      ))}
    </section>
  );
}

function ModelCoverage(props: { model: NetworkModel; providers: NetworkProvider[] }) {
  const { model, providers } = props;
  const rows = [...providers].sort((a, b) => Number(b.you) - Number(a.you) || a.from - b.from || a.to - b.to);
  return (
    <div className="coverage">
      <h3>
        {model.name} <small>{model.layers > 0 ? plural(model.layers, 'layer') : 'whole graph'}</small>
      </h3>
      <p className="coverage-state" data-ready={model.ready}>
        {coverageWords(model, providers)}
      </p>
      {rows.length > 0 && (
        <ul>
          {rows.slice(0, mostRows).map((provider) => (
            <ProviderRow key={`${provider.id} ${provider.from}`} provider={provider} layers={Math.max(1, model.layers)} />
          ))}
        </ul>
      )}
      {rows.length > mostRows && <p className="panel-note">and {plural(rows.length - mostRows, 'more')}</p>}
    </div>
  );
}

function ProviderRow(props: { provider: NetworkProvider; layers: number }) {
  const { provider, layers } = props;
  const [from, to] = provider.to > provider.from ? [provider.from, provider.to] : [0, layers];
  return (
    <li data-you={provider.you}>
      <span className="provider-name">{provider.you ? 'This tab' : provider.id}</span>
      <span className="provider-track" aria-hidden="true">
        <span style={{ marginInlineStart: `${(100 * from) / layers}%`, width: `${(100 * (to - from)) / layers}%` }}>
          {provider.to > provider.from ? formatLayers(from, to) : 'whole'}
        </span>
      </span>
      <span className="visually-hidden">{provider.to > provider.from ? layersPhrase(from, to) : 'whole graph'}, </span>
      <span className="provider-backend">{backendWords[provider.backend]}</span>
    </li>
  );
}

function coverageWords(model: NetworkModel, providers: NetworkProvider[]): string {
  if (providers.length === 0) return 'Nobody holds it. Press Start contributing, here or in another tab.';
  if (model.ready) return model.kind === 'graph' ? 'Held as a whole: it can be used.' : 'Every layer is held: it can be asked.';
  const missing = missingLayers(model.layers, providers);
  return missing.length === 0
    ? 'Its providers are getting ready.'
    : `Still missing: ${missing.map(({ from, to }) => layersPhrase(from, to)).join(', ')}.`;
}
