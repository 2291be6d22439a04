import { VesselError } from '../../shared/protocol/errors.ts';
import { HubClient } from '../models/hub-client.ts';
import { readHubToken } from '../models/hub-token.ts';
import { importModel } from '../models/import-model.ts';
import { ModelStore, type StoredModel } from '../models/model-store.ts';
import { type Command, type CommandIo, UsageError } from './command.ts';
import { dataFolderPath, openDataFolder } from './data-folder.ts';
import { formatBytes } from './format-bytes.ts';
import { parseDtype, parseOptions } from './parse-options.ts';
import { Progress } from './progress.ts';

const usage = `usage: vessel model add <folder | hf:org/name[@revision]> [--dtype f32|f16|q8|q4] [--name <name>]
       vessel model add <file.onnx> --service <type> [--set key=value]... [--name <name>]
       vessel model ls [--json]
       vessel model verify <name>
       vessel model rm <name>

  --dtype          how weights are kept and computed with (f32: exactly as published)
  --name           what people call the model (default: the folder's or repository's name, with -q4 and so on)
  --service        service type of an ONNX file, such as image-classification or voice-activity
  --set key=value  a setting of the service type; the value is read as JSON where it is JSON
  --json           one JSON array instead of lines
  --data <folder>  another data folder than VESSEL_HOME or ~/.vessel

environment
  HF_ENDPOINT      another hub than https://huggingface.co
  HF_TOKEN         token for gated and private models (else the file that the hub's own tools keep)
`;

const options = {
  dtype: { type: 'string' },
  name: { type: 'string' },
  service: { type: 'string' },
  set: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  data: { type: 'string' },
} as const;

type Values = ReturnType<typeof parseOptions<typeof options>>['values'];

export const modelCommand: Command = {
  name: 'model',
  summary: 'add, list, check and remove models',
  usage,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, options);
    const [action, target, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError(`one model at a time; "${rest[0]}" is too much`);
    switch (action) {
      case 'add':
        return add(requireTarget(target, 'a folder, hf:org/name or an .onnx file'), values, io);
      case 'ls':
        return ls(values, io);
      case 'verify':
        return verify(requireTarget(target, 'the name of a model'), values, io);
      case 'rm':
        return rm(requireTarget(target, 'the name of a model'), values, io);
      default:
        throw new UsageError(
          action === undefined ? 'say what to do: add, ls, verify or rm' : `vessel model does not know "${action}"`,
        );
    }
  },
};

async function add(source: string, values: Values, io: CommandIo): Promise<number> {
  const dtype = parseDtype(values.dtype ?? 'f32');
  const settings = parseSettings(values.set ?? []);
  const data = await openDataFolder(dataFolderPath(io.env, values.data));
  const store = await new ModelStore(data.models).open();
  const hub = async () => new HubClient({ endpoint: io.env.HF_ENDPOINT || undefined, token: await readHubToken(io.env) });
  const progress = new Progress(io.stderr);
  try {
    const model = await importModel(
      { source, name: values.name, dtype, service: values.service, settings },
      { store, hub, downloads: data.downloads },
      {
        signal: io.signal,
        onStage: (stage) => progress.start(`${stage} ${source}`),
        onProgress: (done, total) => progress.update(done, total),
      },
    );
    progress.finish(formatBytes(model.bytes));
    io.stderr.write(model.isNew ? '' : 'this model was added before; nothing to do\n');
    io.stdout.write(`${describe(model)}\n`);
    return 0;
  } finally {
    progress.finish();
  }
}

async function ls(values: Values, io: CommandIo): Promise<number> {
  const store = await openStore(values, io);
  const models = await store.list();
  if (values.json) {
    const rows = models.map(({ id, bytes, manifest }) => ({
      name: manifest.name,
      id,
      kind: kindOf(manifest),
      bytes,
      source: manifest.source,
    }));
    io.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return 0;
  }
  if (models.length === 0) io.stderr.write('no models here yet: vessel model add <folder | hf:org/name>\n');
  for (const model of models) io.stdout.write(`${describe(model)}\n`);
  return 0;
}

async function verify(name: string, values: Values, io: CommandIo): Promise<number> {
  const problems = await (await openStore(values, io)).verify(name);
  if (problems.length > 0) throw new VesselError('bad_blob', `${name} is damaged. ${problems.join(' ')}`);
  io.stdout.write(`${name} is whole\n`);
  return 0;
}

async function rm(name: string, values: Values, io: CommandIo): Promise<number> {
  const freed = await (await openStore(values, io)).remove(name);
  io.stdout.write(`removed ${name}, ${formatBytes(freed)} freed\n`);
  return 0;
}

async function openStore(values: Values, io: CommandIo): Promise<ModelStore> {
  const data = await openDataFolder(dataFolderPath(io.env, values.data));
  return new ModelStore(data.models).open();
}

function describe({ id, bytes, manifest }: StoredModel): string {
  return `${manifest.name}  ${kindOf(manifest)}  ${formatBytes(bytes)}  ${manifest.source}  ${id}`;
}

function kindOf(manifest: StoredModel['manifest']): string {
  return manifest.kind === 'language'
    ? `${manifest.architecture.family} ${manifest.dtype}, ${manifest.layers.length} layers`
    : manifest.service;
}

function requireTarget(target: string | undefined, what: string): string {
  if (target === undefined) throw new UsageError(`name ${what}`);
  return target;
}

/** `key=value` pairs; `0.5`, `true` and `[1,2]` are read as JSON, anything else as text. */
function parseSettings(pairs: readonly string[]): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--set wants key=value, not "${pair}"`);
    settings[pair.slice(0, at)] = parseValue(pair.slice(at + 1));
  }
  return settings;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
