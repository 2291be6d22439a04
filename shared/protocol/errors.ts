/**
 * Every refusal in Vessel has one code from this closed list. The same code travels on the socket, between hops, in the SDK
 * and in the HTTP API (there as `error.code`, with the status given here).
 */
export const errorTable = {
  bad_message: { status: 400, retry: false, text: 'The message does not follow the protocol.' },
  bad_request: { status: 400, retry: false, text: 'The request is not valid.' },
  unsupported: { status: 400, retry: false, text: 'This feature is not supported.' },
  context_exceeded: { status: 400, retry: false, text: 'Prompt and answer together are longer than the context.' },
  unauthorized: { status: 401, retry: false, text: 'A valid API key is needed.' },
  payment_required: { status: 402, retry: false, text: 'This has to be paid for, and the balance does not cover it.' },
  chain_unavailable: { status: 503, retry: true, text: 'The chain does not answer at the moment. Nothing is lost; try again.' },
  unbalanced: { status: 500, retry: false, text: 'A book entry does not add up to zero.' },
  forbidden: { status: 403, retry: false, text: 'This is not allowed for this key or peer.' },
  model_not_found: { status: 404, retry: false, text: 'No such model.' },
  not_found: { status: 404, retry: false, text: 'There is nothing here.' },
  body_too_large: { status: 413, retry: false, text: 'The request body is too large.' },
  rate_limited: { status: 429, retry: true, text: 'Too many requests.' },
  queue_full: { status: 429, retry: true, text: 'The relay has all the work it can take.' },
  no_route: { status: 503, retry: true, text: 'The tabs online do not hold every layer of this model at the moment.' },
  provider_busy: { status: 503, retry: true, text: 'The provider has no free slot.' },
  provider_lost: { status: 503, retry: true, text: 'A provider left in the middle of the answer.' },
  relay_lost: { status: 503, retry: true, text: 'The connection to the relay is gone.' },
  deadline: { status: 504, retry: true, text: 'The answer did not come in time.' },
  version_mismatch: { status: 400, retry: false, text: 'The other side speaks another protocol version.' },
  frame_too_large: { status: 400, retry: false, text: 'The frame is larger than allowed.' },
  unknown_session: { status: 404, retry: false, text: 'No such session here.' },
  wrong_epoch: { status: 409, retry: false, text: 'The frame belongs to another epoch of the session.' },
  wrong_position: { status: 409, retry: false, text: 'The frame does not continue where the KV ends.' },
  wrong_history: { status: 409, retry: false, text: 'The KV was built from other tokens.' },
  wrong_peer: { status: 403, retry: false, text: 'This peer is not part of the session.' },
  no_lease: { status: 403, retry: true, text: 'The relay has not announced this session.' },
  lease_expired: { status: 410, retry: true, text: 'The session was silent for too long and was freed.' },
  bad_output: { status: 502, retry: true, text: 'The shard computed zeros or NaN.' },
  bad_checkpoint: { status: 400, retry: false, text: 'The checkpoint is damaged or not supported.' },
  bad_blob: { status: 502, retry: true, text: 'The bytes do not match their hash.' },
  hub_failed: { status: 502, retry: true, text: 'The model hub did not deliver.' },
  device_lost: { status: 503, retry: true, text: 'The graphics device was lost.' },
  out_of_memory: { status: 503, retry: false, text: 'The memory pledged does not suffice.' },
  cancelled: { status: 499, retry: false, text: 'The asker cancelled.' },
  internal: { status: 500, retry: true, text: 'Something broke that should not have.' },
} as const satisfies Record<string, { status: number; retry: boolean; text: string }>;

export type ErrorCode = keyof typeof errorTable;
export const errorCodes = Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]];

/** The one error class. `message` is for a person and says what to do; `code` is for programs. */
export class VesselError extends Error {
  readonly code: ErrorCode;
  readonly retry: boolean;

  constructor(code: ErrorCode, message?: string, options?: { cause?: unknown }) {
    super(message ?? errorTable[code].text, options);
    this.name = 'VesselError';
    this.code = code;
    this.retry = errorTable[code].retry;
  }
}

/** Any thrown value as a VesselError; what is not one becomes `internal` with its cause kept. */
export function toVesselError(thrown: unknown): VesselError {
  if (thrown instanceof VesselError) return thrown;
  return new VesselError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}
