import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { VesselError } from '../../shared/protocol/errors.ts';
import { RecordedIo } from '../../testing/command-io.ts';
import { dataFolderPath, findDataFolder, openDataFolder } from './data-folder.ts';
import type { Migration } from './data-migrations.ts';
import { main } from './main.ts';

async function emptyPlace(t: TestContext): Promise<string> {
  const place = await mkdtemp(join(tmpdir(), 'vessel-data-'));
  t.after(() => rm(place, { recursive: true, force: true }));
  return join(place, 'home');
}

const refused = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof VesselError && error.code === code && words.test(error.message);
const versionOf = async (path: string) => JSON.parse(await readFile(join(path, 'version.json'), 'utf8')).version;

test('the folder is --data, else VESSEL_HOME, else .vessel at home', () => {
  assert.equal(dataFolderPath({ VESSEL_HOME: '/a', HOME: '/h' }, '/b'), '/b');
  assert.equal(dataFolderPath({ VESSEL_HOME: '/a', HOME: '/h' }), '/a');
  assert.equal(dataFolderPath({ HOME: '/h' }), '/h/.vessel');
});

test('a new folder is made with its version and opened again as it is', async (t) => {
  const path = await emptyPlace(t);
  assert.equal(await findDataFolder(path), null);
  const folder = await openDataFolder(path);
  assert.ok(existsSync(folder.models) && existsSync(folder.downloads) && existsSync(folder.relay));
  await writeFile(join(folder.relay, 'kept'), '12345');
  assert.ok((await (await openDataFolder(path)).size()) > 5);
  assert.equal(await readFile(join(folder.relay, 'kept'), 'utf8'), '12345');
});

test('a folder that is not empty and not ours stays untouched', async (t) => {
  const path = await emptyPlace(t);
  await mkdir(path);
  await writeFile(join(path, 'thesis.txt'), 'important');
  await assert.rejects(openDataFolder(path), refused('forbidden', /not empty and not Vessel's \(it holds thesis.txt\)/));
  const io = new RecordedIo({ VESSEL_HOME: path });
  await main(['data', 'reset', '--yes'], io);
  assert.ok(existsSync(join(path, 'thesis.txt')));
});

test('an older folder is brought up step by step, and an interrupted migration is finished the next time', async (t) => {
  const path = await emptyPlace(t);
  await mkdir(path);
  await writeFile(join(path, 'version.json'), '{"format":"vessel-data","version":0}\n');
  await writeFile(join(path, 'old-name'), 'content');
  let fails = true;
  const steps: Migration[] = [
    { what: 'a file gets another name', run: (at) => rename(join(at, 'old-name'), join(at, 'new-name')) },
    {
      what: 'a step that fails once',
      run: async () => {
        if (fails) throw new Error('power cut');
      },
    },
  ];
  await assert.rejects(openDataFolder(path, steps), /power cut/);
  assert.equal(await versionOf(path), 1);
  fails = false;
  await openDataFolder(path, steps);
  assert.equal(await versionOf(path), 2);
  assert.equal(await readFile(join(path, 'new-name'), 'utf8'), 'content');
  assert.ok(!existsSync(join(path, 'migration.lock')));
});

test('this version brings a folder of version 0 to its own layout', async (t) => {
  const path = await emptyPlace(t);
  await mkdir(join(path, 'models'), { recursive: true });
  await writeFile(join(path, 'version.json'), '{"format":"vessel-data","version":0}\n');
  await writeFile(join(path, 'models', 'kept'), 'x');
  const folder = await openDataFolder(path);
  assert.equal(await versionOf(path), 1);
  assert.ok(existsSync(join(folder.models, 'kept')));
});

test('a folder of a newer version, or with a damaged version file, is refused with advice', async (t) => {
  const path = await emptyPlace(t);
  await openDataFolder(path);
  await writeFile(join(path, 'version.json'), '{"format":"vessel-data","version":99}');
  await assert.rejects(openDataFolder(path), refused('version_mismatch', /newer Vessel \(layout 99.*update Vessel/));
  await writeFile(join(path, 'version.json'), 'garbage');
  await assert.rejects(openDataFolder(path), refused('forbidden', /version\.json/));
});

test('two relays do not share a folder, and reset waits for neither', async (t) => {
  const folder = await openDataFolder(await emptyPlace(t));
  const lock = await folder.lock();
  await assert.rejects(folder.lock(), refused('forbidden', new RegExp(`used by another relay \\(process ${process.pid}\\)`)));
  await assert.rejects(folder.reset(), refused('forbidden', /another relay/));
  await lock.release();
  await (await folder.lock()).release();
});

test('vessel data shows path and size; reset asks, and deletes only when told to', async (t) => {
  const path = await emptyPlace(t);
  const run = async (answer: boolean | null, ...args: string[]) => {
    const io = new RecordedIo({ VESSEL_HOME: path }, answer);
    return { code: await main(['data', ...args], io), out: io.out };
  };
  assert.match((await run(null)).out, /nothing there yet/);
  await openDataFolder(path);
  assert.match((await run(null)).out, new RegExp(`^${path}  \\d+ B\n$`));
  assert.equal((await run(null, 'reset')).code, 2);
  assert.equal((await run(false, 'reset')).code, 1);
  assert.ok(existsSync(path));
  assert.equal((await run(true, 'reset')).code, 0);
  assert.ok(!existsSync(path));
  await openDataFolder(path);
  assert.equal((await run(null, 'reset', '--yes')).code, 0);
  assert.ok(!existsSync(path));
});
