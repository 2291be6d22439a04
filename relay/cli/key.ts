import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { ApiKeys } from '../http/keys/api-keys.ts';
import { FileStore } from '../storage/file-store.ts';
import { type Command, UsageError } from './command.ts';
import { dataFolderPath, openDataFolder } from './data-folder.ts';
import { parseCount, parseOptions } from './parse-options.ts';

const usage = `usage: vessel key create <name> [--per-minute <n>] [--at-once <n>]
       vessel key ls
       vessel key revoke <id>

  --per-minute <n>   requests a minute (default: the relay's setting)
  --at-once <n>      requests in work at once (default: the relay's setting)
  --data <folder>    data folder of the relay (default: VESSEL_HOME or ~/.vessel)

The secret is shown once. A running relay knows the change within two seconds.
`;

const options = {
  'per-minute': { type: 'string' },
  'at-once': { type: 'string' },
  data: { type: 'string' },
} as const;

export const keyCommand: Command = {
  name: 'key',
  summary: 'create, list and revoke API keys of a relay',
  usage,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, options);
    const [action, target] = positionals;
    const data = await openDataFolder(dataFolderPath(io.env, values.data));
    const keys = await ApiKeys.open({
      store: new FileStore(join(data.relay, 'keys.json')),
      clock: Date.now,
      randomBytes: (count) => randomBytes(count),
    });
    switch (action) {
      case 'create': {
        if (!target) throw new UsageError('name the key: vessel key create <name>');
        const { secret, key } = await keys.create({
          name: target,
          limits: {
            ...(values['per-minute'] ? { requestsPerMinute: parseCount(values['per-minute'], 'per-minute', 1, 1e6) } : {}),
            ...(values['at-once'] ? { maxConcurrent: parseCount(values['at-once'], 'at-once', 1, 1e4) } : {}),
          },
        });
        io.stderr.write(`key ${key.id} (${key.name}); keep this secret, it is not shown again:\n`);
        io.stdout.write(`${secret}\n`);
        return 0;
      }
      case 'ls':
        for (const key of keys.list()) {
          const created = new Date(key.createdMs).toISOString();
          io.stdout.write(`${key.id}  ${key.name}  ${created}${key.revokedMs === null ? '' : '  revoked'}\n`);
        }
        return 0;
      case 'revoke':
        if (!target) throw new UsageError('name the id: vessel key ls shows them');
        await keys.revoke(target);
        io.stdout.write(`revoked ${target}\n`);
        return 0;
      default:
        throw new UsageError(
          action === undefined ? 'say what to do: create, ls or revoke' : `vessel key does not know "${action}"`,
        );
    }
  },
};
