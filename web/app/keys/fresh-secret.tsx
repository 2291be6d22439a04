import { useNodeState } from '../use-node.tsx';
import { CopyText } from './copy-text.tsx';
import type { Secret } from './use-secret.ts';

export function FreshSecret(props: { secret: Secret; onDone: () => void }) {
  const { secret, onDone } = props;
  const models = useNodeState((state) => state.models);
  const model = models.find(({ kind }) => kind === 'language')?.name ?? 'vessel-tiny';
  return (
    <section className="panel keys-panel fresh-secret" aria-labelledby="secret-title">
      <h2 id="secret-title">The key “{secret.name}” is ready</h2>
      <p>Copy it now and keep it like a password: it is shown this once, and the relay keeps only its hash.</p>
      <CopyText label="Key" text={secret.secret} />
      <p>Any OpenAI client works with it. To try it in a terminal:</p>
      <CopyText label="Command" text={curl(location.origin, secret.secret, model)} isLong />
      <button type="button" className="button" onClick={onDone}>
        I have kept it
      </button>
    </section>
  );
}

function curl(origin: string, secret: string, model: string): string {
  const body = JSON.stringify({ model, max_tokens: 64, messages: [{ role: 'user', content: 'What is WebGPU?' }] });
  return `curl ${origin}/v1/chat/completions \\
  -H 'authorization: Bearer ${secret}' \\
  -H 'content-type: application/json' \\
  -d '${body.replaceAll("'", "'\\''")}'`;
}
