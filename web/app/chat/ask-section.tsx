/** Ask a model, and see the way of the answer. */
import { useState } from 'react';
import '../../styles/ask.css';
import { Amount } from '../money/amount.tsx';
import type { NetworkModel, NodeState } from '../network.ts';
import { RoutePicture } from '../route/route-picture.tsx';
import { Notice } from '../support-notices.tsx';
import { useNodeState } from '../use-node.tsx';
import { type AnswerChoices, AnswerSettings } from './answer-settings.tsx';
import { Composer } from './composer.tsx';
import { TurnList } from './turn-list.tsx';
import { useConversation } from './use-conversation.ts';
import { useQuote } from './use-quote.ts';

const suggestions = ['Tell me a short story about a fox named Pip and a kite.', 'What is WebGPU?', 'What is 12 + 7?'];

export default function AskSection() {
  const allModels = useNodeState((state) => state.models);
  const route = useNodeState((state) => state.route);
  const blockedBy = useNodeState(whyNotAsk);
  const [chosen, setChosen] = useState<string | null>(null);
  const [choices, setChoices] = useState<AnswerChoices>({ temperature: 0.7, maxTokens: 256 });
  const { turns, isAnswering, ask, retry, stop, clear } = useConversation();

  const models = allModels.filter((model) => model.kind === 'language');
  const model = models.find(({ id }) => id === chosen) ?? models.find(({ ready }) => ready) ?? models[0] ?? null;
  const settings = { model: model?.id ?? '', ...choices };
  const blocked = blockedBy ?? (model === null ? 'Waiting for the relay’s list of models.' : null);
  const isEmpty = turns.length === 0;
  const characters = turns.reduce((sum, { question, answer }) => sum + question.length + answer.length, 0);
  const quote = useQuote(model?.id ?? null, characters, choices.maxTokens);

  return (
    <section id="ask" className="panel ask" aria-labelledby="ask-title">
      <div className="panel-head">
        <h2 id="ask-title">Ask the tabs</h2>
        <ModelPicker models={models} model={model} onChoose={setChosen} />
      </div>
      {route !== null && (
        <RoutePicture route={route} modelName={models.find(({ id }) => id === route.model)?.name ?? route.model} />
      )}
      {model !== null && !model.ready && blockedBy === null && <NobodyHolds model={model} />}
      {isEmpty && model?.ready && (
        <div className="suggestions">
          <p>
            Your question goes from tab to tab, through every layer of {model.name}, and comes back one token at a time. You will
            see its way here.
          </p>
          <ul>
            {suggestions.map((suggestion) => (
              <li key={suggestion}>
                <button
                  type="button"
                  className="suggestion"
                  disabled={blocked !== null}
                  onClick={() => ask(suggestion, settings)}
                >
                  {suggestion}
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
      {!isEmpty && <TurnList turns={turns} onRetry={() => retry(settings)} />}
      <p className="visually-hidden" role="status">
        {spoken(turns.at(-1)?.status.state ?? null, turns.at(-1)?.answer ?? '')}
      </p>
      <Composer isAnswering={isAnswering} blockedBy={blocked} onAsk={(question) => ask(question, settings)} onStop={stop} />
      {quote !== null && quote > 0n && (
        <p className="fine-print">
          An answer costs <Amount wei={quote} /> at most.
        </p>
      )}
      <div className="ask-foot">
        <AnswerSettings choices={choices} onChange={setChoices} />
        {!isEmpty && (
          <button type="button" className="button-small" onClick={clear}>
            Start over
          </button>
        )}
      </div>
    </section>
  );
}

function ModelPicker(props: { models: NetworkModel[]; model: NetworkModel | null; onChoose: (id: string) => void }) {
  if (props.model === null) return null;
  return (
    <label className="model-picker">
      <span className="visually-hidden">Model</span>
      <select value={props.model.id} onChange={(event) => props.onChoose(event.target.value)}>
        {props.models.map(({ id, name, ready }) => (
          <option key={id} value={id}>
            {ready ? name : `${name} (not complete)`}
          </option>
        ))}
      </select>
    </label>
  );
}

function NobodyHolds(props: { model: NetworkModel }) {
  return (
    <Notice tone="info" title={`Not every layer of ${props.model.name} is held right now`}>
      Press <strong>Start contributing</strong> here, or open this page in another tab or on another device and press it there.
      Asking works as soon as all {props.model.layers} layers are held.
    </Notice>
  );
}

function whyNotAsk({ support, relay }: NodeState): string | null {
  if (support !== null && !support.secureContext) return 'Asking needs a secure address.';
  if (support !== null && !support.webrtc) return 'Asking needs a browser with WebRTC.';
  if (relay === 'connecting') return 'Connecting to the relay…';
  if (relay === 'offline') return 'Asking works again when the relay is back.';
  return null;
}

/** Spoken by screen readers: the start and the whole answer, not every token. */
function spoken(state: string | null, answer: string): string {
  if (state === 'waiting' || state === 'streaming') return 'Answering.';
  return state === 'done' ? answer : '';
}
