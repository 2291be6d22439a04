import { VesselError } from '../../shared/protocol/errors.ts';
import type { Command } from './command.ts';

export const demoCommand: Command = {
  name: 'demo',
  summary: 'ask one prompt of a model split over tabs, print one JSON object, exit',
  usage: 'usage: vessel demo',
  async run() {
    throw new VesselError('unsupported', 'vessel demo is not there yet.');
  },
};
