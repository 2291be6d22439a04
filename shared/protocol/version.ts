/** Both sides of every link name this version first; another one is refused with `version_mismatch` (SPEC PV1–PV5). */
export const protocolVersion = 1;

/** libp2p protocol of asker → hop: orders and answers, JSON with attached bytes. */
export const orderProtocol = '/vessel/order/1';
/** libp2p protocol of hop → hop: activation and token frames. */
export const frameProtocol = '/vessel/frame/1';
/** libp2p protocol of the round-trip probe: what is sent comes back. */
export const probeProtocol = '/vessel/probe/1';
