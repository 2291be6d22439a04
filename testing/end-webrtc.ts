import { cleanup } from 'node-datachannel';

/**
 * For the `after` hook of tests with WebRTC in their own process, once all is closed. Where two providers dialled each other at the same
 * moment, the native library keeps the connection that lost, and with it the process.
 */
export function endWebRtc(): void {
  cleanup();
}
