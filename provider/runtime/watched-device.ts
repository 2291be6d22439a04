/** The graphics device: whether there is one, and whether it is still there. */
import { VesselError } from '../../shared/protocol/errors.ts';

/** Throws `unsupported` where WebGPU is missing. */
export async function requireGpu(): Promise<GPUAdapter> {
  const gpu = typeof navigator === 'undefined' ? undefined : (navigator as { gpu?: GPU }).gpu;
  if (gpu === undefined)
    throw new VesselError('unsupported', 'There is no WebGPU here: it needs a secure page and a current browser.');
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new VesselError('unsupported', 'The browser offers no graphics adapter for WebGPU.');
  return adapter;
}

export class WatchedDevice {
  readonly device: GPUDevice;
  #lost: GPUDeviceLostInfo | null = null;

  constructor(device: GPUDevice) {
    this.device = device;
    device.lost.then((info) => {
      this.#lost = info;
    });
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  /** Asked after a failure: the news of a loss may arrive just behind it. */
  async isLostNow(): Promise<boolean> {
    if (this.#lost === null) await new Promise((resolve) => setTimeout(resolve, 0));
    return this.#lost !== null;
  }

  lostError(cause?: unknown): VesselError {
    const reason = this.#lost?.message || 'no reason given';
    return new VesselError('device_lost', `The graphics device was lost (${reason}). The shard has to be loaded again.`, {
      cause: cause ?? this.#lost,
    });
  }
}
