import { type Command, UsageError } from './command.ts';
import { dataFolderPath, findDataFolder } from './data-folder.ts';
import { formatBytes } from './format-bytes.ts';
import { parseOptions } from './parse-options.ts';

export const dataCommand: Command = {
  name: 'data',
  summary: 'show or reset the data folder',
  usage: `usage: vessel data [--data <folder>]
       vessel data reset [--yes] [--data <folder>]

Shows where Vessel keeps models, downloads and the relay's accounts, and how much that is; reset deletes all of it.

  --yes            do not ask
  --data <folder>  another data folder than VESSEL_HOME or ~/.vessel
`,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, { data: { type: 'string' }, yes: { type: 'boolean' } });
    const [action, ...rest] = positionals;
    if (rest.length > 0 || (action !== undefined && action !== 'reset'))
      throw new UsageError(`vessel data does not know "${positionals.join(' ')}"`);
    const path = dataFolderPath(io.env, values.data);
    const folder = await findDataFolder(path);
    if (!folder) {
      io.stdout.write(`${path}  nothing there yet\n`);
      return 0;
    }
    const size = formatBytes(await folder.size());
    if (action === undefined) {
      io.stdout.write(`${path}  ${size}\n`);
      return 0;
    }
    if (!values.yes) {
      if (!io.confirm) throw new UsageError('reset asks before it deletes, and nobody can answer here: pass --yes');
      if (!(await io.confirm(`Delete everything in ${path} (${size}: models, accounts, keys)?`))) {
        io.stderr.write('nothing deleted\n');
        return 1;
      }
    }
    await folder.reset();
    io.stdout.write(`deleted ${path} (${size})\n`);
    return 0;
  },
};
