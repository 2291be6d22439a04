/**
 * How the data folder's layout changed. Entry N brings a folder from version N to N + 1; the folder's newest version is the length of
 * the list. A step may be interrupted and run again, so each must be repeatable. Steps are never edited once released.
 */
export interface Migration {
  /** What changes, for people who read this file. */
  what: string;
  run(path: string): Promise<void>;
}

export const migrations: readonly Migration[] = [
  { what: 'The first layout: version.json beside empty folders.', run: async () => {} },
];
