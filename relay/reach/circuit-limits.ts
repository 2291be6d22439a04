/** What may pass through the relay itself, when a pair can connect in no other way. Sizes in bytes, times in milliseconds. */
export interface CircuitLimits {
  /** Of one circuit, both directions together. */
  circuitBytes: number;
  circuitMs: number;
  /** What a direction may carry before it counts as data: a WebRTC handshake takes about 10 kB, the answers of one asker little more. */
  signallingBytes: number;
  /** Directions with data that one peer may have open at a time. */
  perPeer: number;
  /** Directions with data altogether; 0 leaves signalling only. */
  total: number;
  /** What one peer may send at once, and per second afterwards. */
  peerBytes: number;
  peerBytesPerSecond: number;
  /** The same for all of them together. */
  allBytes: number;
  allBytesPerSecond: number;
}

const mebibyte = 1024 * 1024;

export const circuitLimits: CircuitLimits = {
  // Activations of 4,096 positions at hidden 4,096 in f32: the longest answer that anybody will wait for over a circuit.
  circuitBytes: 64 * mebibyte,
  // An answer of that length at two tokens a second.
  circuitMs: 35 * 60_000,
  signallingBytes: 64 * 1024,
  // Neighbours, and as many askers.
  perPeer: 8,
  total: 256,
  // One long answer, and then 16 activations of 4 kB a second: help for an honest pair, no bargain for a tunnel.
  peerBytes: 64 * mebibyte,
  peerBytesPerSecond: 64 * 1024,
  // Half of what a line of 100 Mbit carries.
  allBytes: 256 * mebibyte,
  allBytesPerSecond: 6 * mebibyte,
};
