/** Small files of a checkpoint folder, read with a bound and parsed. */
import { VesselError } from '../protocol/errors.ts';
import { isTooDeep } from '../protocol/json-depth.ts';
import type { CheckpointSource } from './checkpoint-source.ts';
import type { Json } from './families/config-reader.ts';

/** The largest real one is a 33 MB tokenizer (Gemma 3). */
const maxTextBytes = 128 << 20;

export class CheckpointFiles {
  readonly source: CheckpointSource;
  readonly names: ReadonlySet<string>;

  private constructor(source: CheckpointSource, names: ReadonlySet<string>) {
    this.source = source;
    this.names = names;
  }

  static async list(source: CheckpointSource): Promise<CheckpointFiles> {
    return new CheckpointFiles(source, new Set(await source.files()));
  }

  /** Throws `bad_checkpoint` if the file is too large or not UTF-8. */
  async text(name: string): Promise<string> {
    const size = await this.source.size(name);
    if (size > maxTextBytes) throw new VesselError('bad_checkpoint', `${name} has ${size} bytes: that is not what it should be.`);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(await this.source.read(name, 0, size));
    } catch (cause) {
      if (cause instanceof VesselError) throw cause;
      if (!(cause instanceof TypeError)) throw cause;
      throw new VesselError('bad_checkpoint', `${name} is not text. Download it again.`, { cause });
    }
  }

  /** The JSON object in a file, or null if there is no such file. Throws `bad_checkpoint` if it is not one. */
  async object(name: string): Promise<Json | null> {
    if (!this.names.has(name)) return null;
    const text = await this.text(name);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new VesselError('bad_checkpoint', `${name} is not JSON: it is damaged or cut off. Download it again.`, { cause });
    }
    if (isTooDeep(value)) throw new VesselError('bad_checkpoint', `${name} nests too deeply to be what it should be.`);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
    throw new VesselError('bad_checkpoint', `${name} is not a JSON object.`);
  }

  async requireObject(name: string): Promise<Json> {
    const value = await this.object(name);
    if (value) return value;
    throw new VesselError(
      'bad_checkpoint',
      `The folder has no ${name}: it is not a Hugging Face checkpoint, or part of it is missing.`,
    );
  }
}
