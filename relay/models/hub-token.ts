import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The person's hub token, where the hub's own tools keep it: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, or `token` in
 * HF_HOME (~/.cache/huggingface). Null if there is none.
 */
export async function readHubToken(env: Record<string, string | undefined>): Promise<string | null> {
  const direct = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || '').trim();
  if (direct) return direct;
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'huggingface');
  const text = await readFile(env.HF_TOKEN_PATH || join(home, 'token'), 'utf8').catch(() => '');
  return text.trim() || null;
}
