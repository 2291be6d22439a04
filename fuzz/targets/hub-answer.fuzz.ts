/** What a model hub says of a repository, and a chosen subset of its files. */
import { chooseSmallFiles, chooseWeightFiles } from '../../relay/models/choose-hub-files.ts';
import { HubClient } from '../../relay/models/hub-client.ts';
import type { TextTarget } from '../engine/target.ts';

export const target: TextTarget = {
  name: 'hub-answer',
  form: 'json',
  maxLength: 32 * 1024,
  seeds: [
    JSON.stringify({
      sha: 'a'.repeat(40),
      siblings: [
        { rfilename: 'config.json', size: 100, blobId: 'b'.repeat(40) },
        { rfilename: 'model.safetensors', size: 1000, lfs: { sha256: 'C'.repeat(64) } },
        { rfilename: 'model.bin' },
      ],
    }),
    JSON.stringify({ sha: '0'.repeat(64), siblings: [] }),
  ],
  refusals: ['hub_failed', 'bad_checkpoint'],
  async decode(text) {
    const hub = new HubClient({ fetch: async () => new Response(text), sleep: async () => {} });
    const { files } = await hub.find({ org: 'org', name: 'name', revision: 'main' });
    const paths = files.map(({ path }) => path);
    chooseSmallFiles(paths);
    return `${chooseWeightFiles(paths, null, 'org/name').length}`;
  },
};
