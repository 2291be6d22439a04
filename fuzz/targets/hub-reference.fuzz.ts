/** `hf:org/name@revision` as a person types it. */
import { equal } from 'node:assert/strict';
import { parseHubReference } from '../../relay/models/hub-reference.ts';
import type { TextTarget } from '../engine/target.ts';

export const target: TextTarget = {
  name: 'hub-reference',
  form: 'text',
  maxLength: 1024,
  seeds: ['hf:org/name', 'hf:org/name@main', 'hf:Qwen/Qwen3-0.6B@refs/pr/1', 'org/name'],
  refusals: [],
  decode(text) {
    const found = parseHubReference(text);
    if (found) equal(text.startsWith(`hf:${found.org}/${found.name}`), true);
    return String(found === null);
  },
};
