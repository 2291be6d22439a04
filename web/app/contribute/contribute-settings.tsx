/** How much of the device is lent. Everything has a sensible first value: Start is enough. */
import type { Backend } from '../../../provider/runtime/shard-runtime.ts';
import { memoryPledges, pledgeLabel } from '../device.ts';

export interface Pledge {
  /** Index into `memoryPledges().choices`. */
  memory: number;
  dutyCycle: number;
  backend: Backend;
  hideAddress: boolean;
}

const dutyCycles = [
  { value: 0.25, label: 'Gently', note: '25 %' },
  { value: 0.5, label: 'Half', note: '50 %' },
  { value: 1, label: 'Fully', note: '100 %' },
];

export function ContributeSettings(props: { pledge: Pledge; adapter: string | null; onChange: (pledge: Pledge) => void }) {
  const { pledge, adapter, onChange } = props;
  const { choices } = memoryPledges();
  return (
    <details className="settings">
      <summary>
        <span className="settings-title">How much to lend</span>
        <span className="settings-now">{pledgeWords(pledge, choices[pledge.memory] ?? 0)}</span>
      </summary>
      <div className="field">
        <label htmlFor="memory">Memory to lend</label>
        <output htmlFor="memory">{pledgeLabel(choices[pledge.memory] ?? 0)}</output>
        <input
          id="memory"
          type="range"
          min={0}
          max={choices.length - 1}
          step={1}
          value={pledge.memory}
          aria-valuetext={pledgeLabel(choices[pledge.memory] ?? 0)}
          onChange={(event) => onChange({ ...pledge, memory: event.target.valueAsNumber })}
        />
      </div>
      <fieldset className="field">
        <legend>How hard it may work</legend>
        <div className="segments">
          {dutyCycles.map(({ value, label, note }) => (
            <label key={value}>
              <input
                type="radio"
                name="duty"
                value={value}
                checked={pledge.dutyCycle === value}
                onChange={() => onChange({ ...pledge, dutyCycle: value })}
              />
              <span className="segment">
                {label} <small>{note}</small>
              </span>
            </label>
          ))}
        </div>
      </fieldset>
      {adapter !== null && (
        <fieldset className="field">
          <legend>Compute with</legend>
          <div className="segments">
            <BackendChoice value="webgpu" label="Graphics" note={adapter} pledge={pledge} onChange={onChange} />
            <BackendChoice value="wasm" label="Processor" note="CPU" pledge={pledge} onChange={onChange} />
          </div>
        </fieldset>
      )}
      <fieldset className="field">
        <legend>Your address</legend>
        <label>
          <input
            type="checkbox"
            checked={pledge.hideAddress}
            onChange={(event) => onChange({ ...pledge, hideAddress: event.target.checked })}
          />{' '}
          Hide my IP address from others
        </label>
        <p className="fine-print">
          Connections then take a detour over servers that this network’s operator names. It is slower, so fewer people are
          matched to you.
        </p>
      </fieldset>
    </details>
  );
}

function pledgeWords(pledge: Pledge, memoryBytes: number): string {
  const device = pledge.backend === 'wasm' ? 'processor' : 'graphics processor';
  return `${pledgeLabel(memoryBytes)} of memory, ${device} up to ${Math.round(pledge.dutyCycle * 100)} % of the time`;
}

function BackendChoice(props: {
  value: Backend;
  label: string;
  note: string;
  pledge: Pledge;
  onChange: (pledge: Pledge) => void;
}) {
  return (
    <label>
      <input
        type="radio"
        name="backend"
        value={props.value}
        checked={props.pledge.backend === props.value}
        onChange={() => props.onChange({ ...props.pledge, backend: props.value })}
      />
      <span className="segment">
        {props.label} <small>{props.note}</small>
      </span>
    </label>
  );
}
