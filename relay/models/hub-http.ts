/** Requests to a model hub: redirects by hand, so that the token goes to the hub alone and the hub's own headers are seen. */
import { setTimeout as delay } from 'node:timers/promises';
import { VesselError } from '../../shared/protocol/errors.ts';
import { explainRefusal, type RefusalContext, TransientHubError } from './hub-errors.ts';

export interface HubHttpOptions {
  /** Without a slash at the end; the hub of Hugging Face if left out. */
  endpoint?: string | undefined;
  token?: string | null;
  fetch?: typeof fetch;
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** [0, 1) */
  random?: () => number;
  now?: () => number;
}

export interface HubAnswer {
  response: Response;
  /** Headers of the hub's own hops (before a redirect to another host), the first hop first. */
  hubHeaders: Headers[];
  /** The other host the hub redirects to, when `stopAtOtherHost` was asked. */
  elsewhere: URL | null;
}

/** Retries in a row without a byte of progress: with the waits below that is half a minute of a hub that does not answer. */
const maxFailures = 6;
const firstWaitMs = 500;
const longestWaitMs = 10_000;
/** A hub that asks for a longer pause is told to the person instead. */
const longestRetryAfterMs = 120_000;
/** No bytes and no headers for this long counts as a network error. */
const silenceMs = 30_000;
const maxRedirects = 5;

export class HubHttp {
  readonly endpoint: string;
  readonly #token: string | null;
  readonly #fetch: typeof fetch;
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly #random: () => number;
  readonly #now: () => number;

  constructor(options: HubHttpOptions = {}) {
    this.endpoint = requireEndpoint(options.endpoint ?? 'https://huggingface.co');
    this.#token = options.token ?? null;
    this.#fetch = options.fetch ?? fetch;
    this.#sleep = options.sleep ?? ((ms, signal) => delay(ms, undefined, signal ? { signal } : {}));
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Runs `attempt` until it succeeds. It is given the watchdog that its request and body must listen to and `alive`, which it calls
   * whenever bytes arrive. TransientHubErrors are retried with growing waits; everything else is thrown as it is.
   */
  async retry<T>(signal: AbortSignal | undefined, attempt: (watch: Watch) => Promise<T>): Promise<T> {
    for (let failures = 0; ; ) {
      const watch = new Watch(signal);
      try {
        return await attempt(watch);
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = asTransient(thrown, watch);
        if (!error) throw thrown;
        failures = watch.bytes > 0 ? 1 : failures + 1;
        if (failures >= maxFailures)
          throw new VesselError(error.code, `${error.message}. Tried ${failures} times.`, { cause: error });
        await this.#pause(error, failures, signal);
      } finally {
        watch.stop();
      }
    }
  }

  /** One request with its redirects. Throws TransientHubError or a VesselError that says why the hub refuses. */
  async request(
    method: 'GET' | 'HEAD',
    url: string,
    context: Omit<RefusalContext, 'endpoint' | 'hasToken'>,
    watch: Watch,
    options: RequestOptions = {},
  ): Promise<HubAnswer> {
    const hubHeaders: Headers[] = [];
    let target = new URL(url, this.endpoint);
    for (let hops = 0; hops <= maxRedirects; hops += 1) {
      const isHub = target.origin === new URL(this.endpoint).origin;
      const response = await this.#fetch(target, {
        method,
        redirect: 'manual',
        headers: this.#headers(isHub, options.range),
        signal: watch.signal,
      });
      if (isHub) hubHeaders.push(response.headers);
      const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
      if (location !== null) {
        await response.body?.cancel();
        target = new URL(location, target);
        if (options.stopAtOtherHost && target.origin !== new URL(this.endpoint).origin)
          return { response, hubHeaders, elsewhere: target };
        continue;
      }
      if (response.ok || (response.status === 416 && options.range)) return { response, hubHeaders, elsewhere: null };
      await response.body?.cancel();
      // A signed address on another host is short-lived: asking the hub again gives a fresh one.
      if (!isHub) throw new TransientHubError(`${target.host} answered ${response.status} for ${context.what}`);
      throw explainRefusal(response, { ...context, endpoint: this.endpoint, hasToken: this.#token !== null }, this.#now());
    }
    throw new VesselError('hub_failed', `The hub redirects in circles for ${context.what}.`);
  }

  #headers(isHub: boolean, range: string | undefined): Record<string, string> {
    return {
      'user-agent': 'vessel',
      // Byte ranges and hashes are of the file itself, not of a compressed copy.
      'accept-encoding': 'identity',
      ...(isHub && this.#token !== null ? { authorization: `Bearer ${this.#token}` } : {}),
      ...(range ? { range } : {}),
    };
  }

  async #pause(error: TransientHubError, failures: number, signal: AbortSignal | undefined): Promise<void> {
    if (error.retryAfterMs !== null && error.retryAfterMs > longestRetryAfterMs) {
      throw new VesselError(error.code, `${error.message}: try again in ${Math.ceil(error.retryAfterMs / 60_000)} min.`, {
        cause: error,
      });
    }
    const backoff = Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - 1)) * (0.5 + this.#random() / 2);
    await this.#sleep(error.retryAfterMs ?? backoff, signal);
  }
}

interface RequestOptions {
  range?: string | undefined;
  /** Return at a redirect to another host instead of following it. */
  stopAtOtherHost?: boolean;
}

/** Ends an attempt that hears nothing for `silenceMs`, and counts what it heard. */
export class Watch {
  bytes = 0;
  readonly signal: AbortSignal;
  readonly #silence = new AbortController();
  #timer: NodeJS.Timeout;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal ? AbortSignal.any([signal, this.#silence.signal]) : this.#silence.signal;
    this.#timer = this.#arm();
  }

  get wasSilent(): boolean {
    return this.#silence.signal.aborted;
  }

  heard(bytes: number): void {
    this.bytes += bytes;
    clearTimeout(this.#timer);
    this.#timer = this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(): NodeJS.Timeout {
    return setTimeout(() => this.#silence.abort(new Error('silence')), silenceMs);
  }
}

function asTransient(thrown: unknown, watch: Watch): TransientHubError | null {
  if (thrown instanceof TransientHubError) return thrown;
  if (watch.wasSilent) return new TransientHubError(`The hub was silent for ${silenceMs / 1000} s`, { cause: thrown });
  // fetch throws TypeError for every network failure, with the system's own error as its cause.
  if (thrown instanceof TypeError) {
    const cause = thrown.cause;
    const detail = cause instanceof Error ? ('code' in cause && cause.code ? String(cause.code) : cause.message) : thrown.message;
    return new TransientHubError(`The connection to the hub failed (${detail})`, { cause: thrown });
  }
  return null;
}

function requireEndpoint(text: string): string {
  try {
    const url = new URL(text);
    if (url.protocol === 'http:' || url.protocol === 'https:') return text.replace(/\/+$/, '');
  } catch {
    // Told below.
  }
  throw new VesselError('bad_request', `HF_ENDPOINT is not a web address: ${text}`);
}
