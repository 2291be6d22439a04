/** A node:test reporter that writes one JSON line per finished test, for scripts/test.mjs to count and to show. */
export default async function* reporter(events) {
  for await (const { type, data } of events) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue;
    yield `${JSON.stringify(describe(type, data))}\n`;
  }
}

function describe(type, data) {
  const base = { name: data.name, ms: Math.round(data.details.duration_ms), line: data.line ?? null };
  if (data.skip !== undefined || data.todo !== undefined) {
    const reason = data.skip ?? data.todo;
    return { ...base, outcome: 'skipped', reason: typeof reason === 'string' ? reason : '' };
  }
  if (type === 'test:pass') return { ...base, outcome: 'passed' };
  const error = data.details.error;
  // A parent fails because a subtest did; the subtest has been told already.
  const isEcho = error?.failureType === 'subtestsFailed';
  return { ...base, outcome: 'failed', isEcho, message: explain(error) };
}

/** The innermost cause with its stack; assertion errors carry the comparison in their message. */
function explain(error) {
  let inner = error;
  while (inner?.code === 'ERR_TEST_FAILURE' && inner.cause instanceof Error) inner = inner.cause;
  if (inner instanceof Error) {
    const causes = inner.cause instanceof Error ? `\ncaused by: ${inner.cause.stack}` : '';
    return `${inner.stack ?? inner.message}${causes}`;
  }
  return String(inner?.cause ?? inner);
}
