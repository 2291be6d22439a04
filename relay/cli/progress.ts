/** Shows how far a long job is: a bar that redraws itself on a terminal, a line every tenth of the way elsewhere. */
import type { TextSink } from './command.ts';
import { formatBytes } from './format-bytes.ts';

const barWidth = 24;
/** Often enough to look alive, seldom enough not to slow the job down. */
const redrawMs = 100;

export class Progress {
  readonly #out: TextSink;
  readonly #now: () => number;
  #label = '';
  #started = 0;
  #drawn = Number.NEGATIVE_INFINITY;
  #tenth = -1;
  #isOpen = false;

  constructor(out: TextSink, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#now = now;
  }

  /** Begins a job; an unfinished one before it is finished first. */
  start(label: string): void {
    this.finish();
    this.#label = label;
    this.#started = this.#now();
    this.#drawn = Number.NEGATIVE_INFINITY;
    this.#tenth = -1;
    this.#isOpen = true;
    if (!this.#out.isTTY) this.#out.write(`${label} …\n`);
  }

  /** Bytes done of bytes in all; a total of 0 means that nobody knows yet. */
  update(done: number, total: number): void {
    if (!this.#isOpen) return;
    if (this.#out.isTTY) this.#draw(done, total);
    else this.#printTenth(done, total);
  }

  /** Ends the job. `note` follows the label; without one only the bar goes. */
  finish(note?: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#out.isTTY) this.#out.write('\r\x1b[K');
    if (note !== undefined) this.#out.write(`${this.#label}: ${note} (${((this.#now() - this.#started) / 1000).toFixed(1)} s)\n`);
  }

  #draw(done: number, total: number): void {
    const now = this.#now();
    if (now - this.#drawn < redrawMs && done < total) return;
    this.#drawn = now;
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const filled = Math.round(share * barWidth);
    const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
    const seconds = (now - this.#started) / 1000;
    const left = share > 0.02 && share < 1 ? `, ${Math.ceil((seconds / share) * (1 - share))} s left` : '';
    const line = `${this.#label} ${bar} ${Math.floor(share * 100)} % of ${formatBytes(total)}${left}`;
    this.#out.write(`\r\x1b[K${line.slice(0, (this.#out.columns ?? 120) - 1)}`);
  }

  #printTenth(done: number, total: number): void {
    const tenth = total > 0 ? Math.floor((done / total) * 10) : 0;
    if (tenth <= this.#tenth || tenth === 0) return;
    this.#tenth = tenth;
    this.#out.write(`${this.#label}: ${tenth * 10} % of ${formatBytes(total)}\n`);
  }
}
