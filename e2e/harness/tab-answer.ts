import { tinyChats } from './tiny-samples.ts';

/** One short question through the HTTP API, greedy, and what the reference answers. Throws what the API says when it refuses. */
export async function tabAnswer(url: string, key?: string): Promise<{ text: string; expected: string }> {
  const { messages, text: expected } = (await tinyChats())[2]!;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify({ model: 'vessel-tiny', messages, temperature: 0 }),
  });
  const body = (await response.json()) as { error?: { code: string }; choices?: { message: { content: string } }[] };
  if (!body.choices) throw new Error(`${response.status} ${JSON.stringify(body.error)}`);
  return { text: body.choices[0]!.message.content, expected };
}
