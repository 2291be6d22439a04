/**
 * Server-sent events as the OpenAI API streams them. Whatever fails before the first event, and before the stream has been
 * silent for one keep-alive, still becomes a plain error response with its own status; afterwards an `error` event ends the stream.
 */
import { toVesselError, type VesselError } from '../../../shared/protocol/errors.ts';
import { errorBody } from '../error-body.ts';

export interface EventStreamOptions {
  /** JSON values, one per event. */
  events: AsyncGenerator<object, void, void>;
  keepAliveMs: number;
  after: (ms: number, run: () => void) => () => void;
  /** The client went away. */
  onCancel: () => void;
  /** Called once: the error that ended the stream, or null. */
  onEnd: (error: VesselError | null) => void;
}

type Next = { type: 'event'; result: IteratorResult<object, void> } | { type: 'silence' };

const encoder = new TextEncoder();

/** @throws whatever the events threw, when it came in time for a status line */
export async function eventStreamResponse(options: EventStreamOptions): Promise<Response> {
  const { events, onCancel, onEnd } = options;
  let pending: Promise<IteratorResult<object, void>> | null = null;

  const next = async (): Promise<Next> => {
    pending ??= events.next();
    const outcome = await orSilence(pending, options);
    if (outcome.type === 'event') pending = null;
    return outcome;
  };

  // Thrown from here, an error is still a response of its own.
  let early: Next | null = await next();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const outcome = early ?? (await next());
        early = null;
        if (outcome.type === 'silence') controller.enqueue(encoder.encode(': keep-alive\n\n'));
        else if (!outcome.result.done) controller.enqueue(encodeEvent(JSON.stringify(outcome.result.value)));
        else {
          controller.enqueue(encodeEvent('[DONE]'));
          controller.close();
          onEnd(null);
        }
      } catch (thrown) {
        const error = toVesselError(thrown);
        onEnd(error);
        closeWith(controller, error);
      }
    },
    async cancel() {
      onCancel();
      pending?.catch(() => undefined);
      await events.return().catch(() => undefined);
      onEnd(null);
    },
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // nginx holds streams back unless told otherwise.
      'x-accel-buffering': 'no',
    },
  });
}

function closeWith(controller: ReadableStreamDefaultController<Uint8Array>, error: VesselError): void {
  try {
    if (error.code !== 'cancelled') controller.enqueue(encodeEvent(JSON.stringify(errorBody(error))));
    controller.close();
  } catch {
    // The reader cancelled in the meantime: the stream is closed already and takes nothing more.
  }
}

function orSilence(
  pending: Promise<IteratorResult<object, void>>,
  { keepAliveMs, after }: Pick<EventStreamOptions, 'keepAliveMs' | 'after'>,
): Promise<Next> {
  return new Promise((resolve, reject) => {
    const callOff = after(keepAliveMs, () => resolve({ type: 'silence' }));
    pending.then(
      (result) => {
        callOff();
        resolve({ type: 'event', result });
      },
      (error) => {
        callOff();
        reject(error);
      },
    );
  });
}

function encodeEvent(data: string): Uint8Array {
  return encoder.encode(`data: ${data}\n\n`);
}
