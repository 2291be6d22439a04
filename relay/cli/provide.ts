import { VesselError } from '../../shared/protocol/errors.ts';
import type { Command } from './command.ts';

export const provideCommand: Command = {
  name: 'provide',
  summary: 'give compute from this machine without a browser',
  usage: 'usage: vessel provide',
  async run() {
    throw new VesselError('unsupported', 'vessel provide is not there yet.');
  },
};
