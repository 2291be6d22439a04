import { VesselError } from '../../shared/protocol/errors.ts';
import type { Command } from './command.ts';

export const relayCommand: Command = {
  name: 'relay',
  summary: 'run a relay',
  usage: 'usage: vessel relay',
  async run() {
    throw new VesselError('unsupported', 'vessel relay is not there yet.');
  },
};
