import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { verifySource } from './verify-source.ts';

const source = {
  chainId: 8453,
  address: '0x00000000000000000000000000000000000000aa',
  contractName: 'contracts/src/AIC.sol:AIC',
  standardJson: '{"language":"Solidity"}',
  compilerVersion: 'v0.8.37+commit.1',
  constructorArguments: '0x01',
} as const;

/** An explorer that gives these answers in turn; what it was asked is in `asked`. */
async function explorer(t: TestContext, answers: { status: string; result: string }[]) {
  const asked: URLSearchParams[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push(new URLSearchParams(request.method === 'POST' ? body : new URL(request.url!, 'http://x').search));
    response.end(JSON.stringify({ message: '', ...answers[asked.length - 1] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}/api`, asked };
}

test('source is submitted as standard JSON and its verdict awaited', async (t) => {
  const { url, asked } = await explorer(t, [
    { status: '1', result: 'guid-1' },
    { status: '0', result: 'Pending in queue' },
    { status: '1', result: 'Pass - Verified' },
  ]);
  assert.equal(await verifySource(url, source, { apiKey: 'k', pollMs: 1 }), 'Pass - Verified');
  assert.deepEqual(
    asked.map((form) => form.get('action')),
    ['verifysourcecode', 'checkverifystatus', 'checkverifystatus'],
  );
  assert.equal(asked[0]!.get('sourceCode'), source.standardJson);
  assert.equal(asked[0]!.get('constructorArguements'), '01');
  assert.equal(asked[1]!.get('guid'), 'guid-1');
});

test('an explorer that knows the source already is content', async (t) => {
  const { url } = await explorer(t, [{ status: '0', result: 'Contract source code already verified' }]);
  assert.match(await verifySource(url, source), /already verified/);
});

test('a refusal is passed on in the explorer’s words', async (t) => {
  const { url } = await explorer(t, [
    { status: '1', result: 'guid-1' },
    { status: '0', result: 'Fail - Unable to verify' },
  ]);
  await assert.rejects(verifySource(url, source, { pollMs: 1 }), { code: 'bad_request', message: /Unable to verify/ });
});

test('an explorer that is not there is told as such', async () => {
  await assert.rejects(verifySource('http://127.0.0.1:9/api', source), { code: 'chain_unavailable' });
});
