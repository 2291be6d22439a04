/** Services as the HTTP API sees them, answering from a script. */
import type { OpenService, ServiceAnswer, ServiceInfo, Services } from '../relay/http/http-deps.ts';
import { VesselError } from '../shared/protocol/errors.ts';
import { requireServiceType } from '../shared/services/registry.ts';

const common = { created: 1_760_000_000, ownedBy: 'vessel' };
export const digitService: ServiceInfo = {
  ...common,
  id: 'bafkreitestdigitsaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  name: 'digits',
  type: requireServiceType('image-classification'),
  settings: { scale: 1 },
  ready: true,
};
export const voiceService: ServiceInfo = {
  ...common,
  id: 'bafkreitestvoiceaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  name: 'org/voice',
  type: requireServiceType('voice-activity'),
  settings: {},
  ready: false,
};

/** What a provider says of a picture: its first byte is the digit. */
export function digitAnswer(input: Uint8Array): ServiceAnswer {
  const result = { labels: [{ index: input[0]!, score: 1 }], backend: 'wasm' };
  return { result, meter: { unit: 'image', amount: 1 }, backend: 'wasm' };
}

export class FakeServices implements Services {
  readonly runs: { session: number; order: Record<string, unknown>; bytes: number }[] = [];
  opened = 0;
  closed = 0;
  readonly #answer: (input: Uint8Array) => ServiceAnswer | Promise<ServiceAnswer>;

  /** What `answer` throws, an order is refused with. An abort ends the wait for it. */
  constructor(answer: (input: Uint8Array) => ServiceAnswer | Promise<ServiceAnswer> = digitAnswer) {
    this.#answer = answer;
  }

  list(): ServiceInfo[] {
    return [digitService, voiceService];
  }

  async open(id: string, signal: AbortSignal): Promise<OpenService> {
    const service = this.list().find((known) => known.id === id);
    if (!service?.ready) throw new VesselError('no_route');
    const session = this.opened++;
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new VesselError('cancelled')), { once: true });
    });
    aborted.catch(() => undefined);
    return {
      provider: 'fake-peer',
      run: async (order, input) => {
        this.runs.push({ session, order, bytes: input.byteLength });
        return Promise.race([aborted, this.#answer(input)]);
      },
      close: async () => {
        this.closed++;
      },
    };
  }
}
