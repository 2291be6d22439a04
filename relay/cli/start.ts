import { VesselError } from '../../shared/protocol/errors.ts';
import type { Command } from './command.ts';

export const startCommand: Command = {
  name: 'start',
  summary: 'bring up a whole network on this machine and say where to look',
  usage: 'usage: vessel start',
  async run() {
    throw new VesselError('unsupported', 'vessel start is not there yet.');
  },
};
