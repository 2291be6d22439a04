import type { CommandIo } from '../relay/cli/command.ts';

/** Surroundings of a command that keep what it writes. */
export class RecordedIo implements CommandIo {
  out = '';
  err = '';
  readonly env: Record<string, string | undefined>;
  readonly signal: AbortSignal;
  readonly stdout = {
    write: (text: string) => {
      this.out += text;
    },
  };
  readonly stderr = {
    write: (text: string) => {
      this.err += text;
    },
  };
  readonly confirm: CommandIo['confirm'];

  /** `answer`: what a person says to questions; null where nobody is there. */
  constructor(env: Record<string, string | undefined>, answer: boolean | null = null, signal = new AbortController().signal) {
    this.env = env;
    this.signal = signal;
    this.confirm = answer === null ? null : async () => answer;
  }
}
