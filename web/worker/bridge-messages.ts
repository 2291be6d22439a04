/**
 * What page and compute worker say to each other. The page owns what only a page may (RTCPeerConnection, the relay's socket), the
 * worker owns the GPU and everything that decides (design C1). Frames are transferred, not copied.
 */
import type { ProviderStatus } from '../../provider/provider.ts';
import type { Backend } from '../../provider/runtime/shard-runtime.ts';
import type { ErrorCode } from '../../shared/protocol/errors.ts';
import type { FrameRefusal } from '../../shared/protocol/frame-refusal.ts';
import type { HopMessage } from '../../shared/protocol/order-messages.ts';
import type { NetworkTerms } from '../../shared/protocol/payment-types.ts';
import type { PresenceClientMessage, PresenceRelayMessage } from '../../shared/protocol/presence-messages.ts';

export type ToWorker =
  | {
      type: 'start';
      /** This page's peer id. */
      self: string;
      relayUrl: string;
      /** Folder of ONNX Runtime's files, ending in '/'. */
      ortPath: string;
      backend: Backend;
      memoryBytes: number;
      dutyCycle: number;
      /** The device's key, which signs receipts: SubjectPublicKeyInfo, and a private half that can be used and not read. */
      key: { publicKey: Uint8Array<ArrayBuffer>; privateKey: CryptoKey };
      terms: NetworkTerms | null;
    }
  | { type: 'welcomed'; terms: NetworkTerms | null }
  | { type: 'relay'; message: PresenceRelayMessage }
  | { type: 'order'; order: number; peer: string; text: string; attachment?: Uint8Array<ArrayBuffer> }
  | { type: 'order-closed'; order: number }
  | { type: 'frame'; call: number; peer: string; frame: Uint8Array<ArrayBuffer> }
  | { type: 'frame-refused'; peer: string; refusal: FrameRefusal }
  | { type: 'lost'; peer: string }
  /** Answers `connect` and `send`; `error` says that it failed. */
  | { type: 'did'; call: number; error?: { code: ErrorCode; message: string } }
  | { type: 'links'; links: [string, number | null][] }
  | { type: 'paused'; paused: boolean }
  | { type: 'duty-cycle'; share: number }
  | { type: 'stop' };

/** A provider's status as it travels: errors do not survive structured cloning with their class. */
export type WorkerStatus = Omit<ProviderStatus, 'failure'> & {
  failure: { code: ErrorCode; message: string } | null;
  adapter: string;
  storage: 'opfs' | 'memory';
};

export type FromWorker =
  | { type: 'relay'; message: PresenceClientMessage }
  | { type: 'connect'; call: number; peer: string }
  | { type: 'send'; call: number; peer: string; frame: Uint8Array<ArrayBuffer> }
  | { type: 'reply'; order: number; message: HopMessage }
  /** The stream does not speak the protocol: close it. */
  | { type: 'drop-order'; order: number }
  | { type: 'refuse'; call: number; refusal: FrameRefusal }
  | { type: 'status'; status: WorkerStatus }
  | { type: 'failed'; code: ErrorCode; message: string }
  | { type: 'stopped' };
