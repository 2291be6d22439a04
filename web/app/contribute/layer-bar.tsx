/** Which layers of the model this tab holds, as a bar. */
import { layersPhrase } from '../format.ts';
import type { HeldShard } from '../network.ts';

/** Above this many, single layers are too thin to see and the bar is drawn as one piece. */
const mostCells = 48;

export function LayerBar(props: { shard: HeldShard }) {
  const { model, from, to, layers } = props.shard;
  const words = `${layersPhrase(from, to)} of ${model}`;
  return (
    <figure className="layer-bar">
      {layers <= mostCells ? (
        <div className="layer-cells" role="img" aria-label={`This tab holds ${words}, which has ${layers} layers`}>
          {Array.from({ length: layers }, (_, layer) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a layer is its index
            <span key={layer} className="layer-cell" data-held={layer >= from && layer < to} />
          ))}
        </div>
      ) : (
        <div className="layer-strip" role="img" aria-label={`This tab holds ${words}, which has ${layers} layers`}>
          <span
            className="layer-strip-held"
            style={{ marginInlineStart: `${(100 * from) / layers}%`, width: `${(100 * (to - from)) / layers}%` }}
          />
        </div>
      )}
      <figcaption>
        <span>Your {words}</span>
        <span>{layers} in all</span>
      </figcaption>
    </figure>
  );
}
