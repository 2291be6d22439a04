/** What a subcommand of `vessel` is. Everything it touches of its surroundings comes in through `io`, so that a test can own it. */
export interface CommandIo {
  env: Record<string, string | undefined>;
  /** Results: what a program that calls us may parse. */
  stdout: TextSink;
  /** Progress, notes and errors: for people. */
  stderr: TextSink;
  /** Asks a yes-or-no question; null where nobody can answer. */
  confirm: ((question: string) => Promise<boolean>) | null;
  /** Aborts at the first Ctrl-C (or SIGTERM, SIGHUP). A second one ends the process at once. */
  signal: AbortSignal;
}

export interface TextSink {
  write(text: string): unknown;
  /** True on a terminal: lines may be rewritten there. */
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface Command {
  name: string;
  /** One line for `vessel --help`. */
  summary: string;
  /** The text of `vessel <name> --help`: a line of usage, then the options with their defaults. */
  usage: string;
  /** Resolves to the exit code. Throws UsageError for a wrong call, VesselError for what went wrong. */
  run(args: string[], io: CommandIo): Promise<number>;
}

/** A wrong call: `vessel` prints the message and where help is, and exits with 2. */
export class UsageError extends Error {}
