import type { Command } from './command.ts';

export interface CommandEntry {
  name: string;
  summary: string;
  /** Imported when called, so that `vessel --help` need not load a network stack. */
  load: () => Promise<Command>;
}

/** The subcommands in the order of `vessel --help`. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'start',
    summary: 'bring up a whole network on this machine and say where to look',
    load: async () => (await import('./start.ts')).startCommand,
  },
  {
    name: 'demo',
    summary: 'ask one prompt of a model split over tabs, print one JSON object, exit',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  { name: 'relay', summary: 'run a relay', load: async () => (await import('./relay.ts')).relayCommand },
  {
    name: 'provide',
    summary: 'give compute from this machine without a browser',
    load: async () => (await import('./provide.ts')).provideCommand,
  },
  { name: 'model', summary: 'add, list, check and remove models', load: async () => (await import('./model.ts')).modelCommand },
  {
    name: 'key',
    summary: 'create, list and revoke API keys of a relay',
    load: async () => (await import('./key.ts')).keyCommand,
  },
  {
    name: 'chain',
    summary: 'deploy the contracts, show them, change the relay’s key, fill a wallet on the local chain',
    load: async () => (await import('./chain.ts')).chainCommand,
  },
  {
    name: 'books',
    summary: 'check what the relay owes and is owed against receipts and chain',
    load: async () => (await import('./books.ts')).booksCommand,
  },
  { name: 'data', summary: 'show or reset the data folder', load: async () => (await import('./data.ts')).dataCommand },
];
