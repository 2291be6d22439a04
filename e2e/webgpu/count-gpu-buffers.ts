/// <reference lib="webworker" />
/** Counts GPU buffers that were created and not yet destroyed, whoever made them. Call once, before any device exists. */
export interface BufferCount {
  live: number;
  bytes: number;
  created: number;
}

export function countGpuBuffers(): BufferCount {
  const count: BufferCount = { live: 0, bytes: 0, created: 0 };
  if (typeof GPUDevice === 'undefined') return count;
  const alive = new WeakSet<GPUBuffer>();
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    alive.add(buffer);
    count.live++;
    count.created++;
    count.bytes += buffer.size;
    return buffer;
  };
  const { destroy } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    if (alive.delete(this)) {
      count.live--;
      count.bytes -= this.size;
    }
    return destroy.call(this);
  };
  return count;
}
