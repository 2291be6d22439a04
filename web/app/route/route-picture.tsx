/** The live route: the asker, each hop with its layers, and the way of the tokens back. */
import { formatCount, formatLayers, layersPhrase, plural } from '../format.ts';
import type { RouteHopView, RouteView } from '../network.ts';
import { PulseLink } from './pulse-link.tsx';
import { type Box, layoutRoute } from './route-layout.ts';
import { useWidth } from './use-width.ts';

export const backendWords = { webgpu: 'WebGPU', wasm: 'CPU' } as const;

export function RoutePicture(props: { route: RouteView; modelName: string }) {
  const { route } = props;
  const [place, width] = useWidth<HTMLDivElement>();
  const layout = layoutRoute(route.hops.length, Math.max(width, 240));
  const hopWords = route.hops.map((hop) => `${layersPhrase(hop.from, hop.to)} on ${hop.you ? 'this tab' : hop.id}`);
  return (
    <figure className="route" data-active={route.active} aria-labelledby="route-caption">
      <div ref={place} className="route-place">
        {width > 0 && (
          <svg
            width={width}
            height={layout.height}
            viewBox={`0 0 ${width} ${layout.height}`}
            role="img"
            aria-label={`Route through ${plural(route.hops.length, 'hop')}: ${hopWords.join(', then ')}, then back to you`}
          >
            <PulseLink path={layout.way} pulses={route.tokens} kind="way" />
            {route.hops.map((hop, index) => (
              <PulseLink key={`${hop.from} ${hop.id}`} path={layout.links[index]!} pulses={hop.pulses} kind="link" />
            ))}
            <Card box={layout.asker} kind="asker" title="You" note={null} />
            {route.hops.map((hop, index) => (
              <HopCard key={`${hop.from} ${hop.id}`} hop={hop} box={layout.hops[index]!} isDense={layout.isDense} />
            ))}
            <text className="route-label" x={layout.label.x} y={layout.label.y + 4}>
              {plural(route.tokens, 'token')} back
            </text>
          </svg>
        )}
      </div>
      <figcaption id="route-caption">
        <details>
          <summary>
            {route.active ? 'Live route' : 'Route of the last answer'}: {plural(route.hops.length, 'hop')} of {props.modelName}
          </summary>
          <HopTable hops={route.hops} />
        </details>
      </figcaption>
    </figure>
  );
}

function HopCard(props: { hop: RouteHopView; box: Box; isDense: boolean }) {
  const { hop, box, isDense } = props;
  const layers = formatLayers(hop.from, hop.to);
  if (isDense) return <Card box={box} kind={hop.you ? 'you' : 'hop'} title={layers} note={null} />;
  const where = hop.you ? 'you' : hop.id;
  return (
    <Card
      box={box}
      kind={hop.you ? 'you' : 'hop'}
      title={`${hop.to - hop.from === 1 ? 'Layer' : 'Layers'} ${layers}`}
      note={`${backendWords[hop.backend]} · ${where}`}
    />
  );
}

function Card(props: { box: Box; kind: 'asker' | 'hop' | 'you'; title: string; note: string | null }) {
  const { box, kind, title, note } = props;
  const x = box.x + box.width / 2;
  const y = box.y + box.height / 2;
  return (
    <g className={`route-card route-card-${kind}`}>
      <rect x={box.x} y={box.y} width={box.width} height={box.height} rx={kind === 'asker' ? box.height / 2 : 10} />
      <text x={x} y={note === null ? y + 4.5 : y - 4} className="route-title">
        {title}
      </text>
      {note !== null && (
        <text x={x} y={y + 14} className="route-note">
          {note}
        </text>
      )}
    </g>
  );
}

function HopTable(props: { hops: RouteHopView[] }) {
  return (
    <div className="table-scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Layers</th>
            <th scope="col">Provider</th>
            <th scope="col">Computes on</th>
            <th scope="col">Frames</th>
          </tr>
        </thead>
        <tbody>
          {props.hops.map((hop) => (
            <tr key={`${hop.from} ${hop.id}`}>
              <td>{formatLayers(hop.from, hop.to)}</td>
              <td>{hop.you ? `${hop.id} (this tab)` : hop.id}</td>
              <td>
                {backendWords[hop.backend]}, {hop.adapter}
              </td>
              <td>{formatCount(hop.pulses)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
