export interface AnswerChoices {
  temperature: number;
  maxTokens: number;
}

const lengths = [64, 128, 256, 512, 1024];

export function AnswerSettings(props: { choices: AnswerChoices; onChange: (choices: AnswerChoices) => void }) {
  const { choices, onChange } = props;
  const variety = choices.temperature === 0 ? 'none' : choices.temperature.toFixed(1);
  return (
    <details className="answer-settings">
      <summary>Answer settings</summary>
      <div className="settings-row">
        <div className="field">
          <label htmlFor="temperature">Variety (temperature)</label>
          <output htmlFor="temperature">{variety}</output>
          <input
            id="temperature"
            type="range"
            min={0}
            max={1.5}
            step={0.1}
            value={choices.temperature}
            onChange={(event) => onChange({ ...choices, temperature: event.target.valueAsNumber })}
          />
        </div>
        <div className="field">
          <label htmlFor="length">Longest answer</label>
          <select
            id="length"
            value={choices.maxTokens}
            onChange={(event) => onChange({ ...choices, maxTokens: Number(event.target.value) })}
          >
            {lengths.map((length) => (
              <option key={length} value={length}>
                {length} tokens
              </option>
            ))}
          </select>
        </div>
      </div>
    </details>
  );
}
