/** The chats of vessel-tiny's reference: what is asked, and what greedy decoding in float32 answers. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tinyFolder } from './vessel-process.ts';

export interface TinySample {
  messages: { role: 'system' | 'user' | 'assistant'; content: string }[];
  promptIds: number[];
  /** Up to the first stop id, which is left out. */
  ids: number[];
  /** The text of `ids`. */
  text: string;
  /** 64 ids, past any stop id. */
  allIds: number[];
}

export const tinyStopIds = [2, 0];

export async function tinyChats(): Promise<TinySample[]> {
  const { samples } = JSON.parse(await readFile(join(tinyFolder, 'reference.json'), 'utf8')) as {
    samples: { kind: string; prompt: string; input_ids: number[]; greedy_ids: number[]; greedy_until_eos: string }[];
  };
  return samples
    .filter(({ kind }) => kind === 'chat')
    .map(({ prompt, input_ids, greedy_ids, greedy_until_eos }) => {
      const stop = greedy_ids.findIndex((id) => tinyStopIds.includes(id));
      const turns = [...prompt.matchAll(/<\|im_start\|>(system|user|assistant)\n(.*?)<\|im_end\|>/gs)];
      return {
        messages: turns.map(([, role, content]) => ({ role: role as 'user', content: content! })),
        promptIds: input_ids,
        ids: stop < 0 ? greedy_ids : greedy_ids.slice(0, stop),
        text: greedy_until_eos,
        allIds: greedy_ids,
      };
    });
}
