/** Looks at what this browser and address allow. Missing hardware is a `null`, never an exception: the page offers something else. */
import type { Support } from './network.ts';

export async function detectSupport(): Promise<Support> {
  const webgpu = await findAdapter();
  return {
    secureContext: isSecureContext,
    webgpu: webgpu.name,
    opfs: await hasFileSystem(),
    webrtc: typeof RTCPeerConnection === 'function',
    ...(webgpu.reason === undefined ? {} : { reason: webgpu.reason }),
  };
}

async function findAdapter(): Promise<{ name: string | null; reason?: string }> {
  // Absent in older browsers and in insecure contexts, whatever the types say.
  const gpu = navigator.gpu as GPU | undefined;
  if (gpu === undefined) return { name: null, reason: 'This browser does not offer WebGPU.' };
  try {
    const adapter = await gpu.requestAdapter();
    if (adapter === null) return { name: null, reason: 'This browser knows WebGPU but finds no graphics processor for it.' };
    const { vendor, architecture, description } = adapter.info;
    return { name: [vendor, architecture].filter(Boolean).join(' ') || description || 'graphics processor' };
  } catch (error) {
    return { name: null, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function hasFileSystem(): Promise<boolean> {
  try {
    await navigator.storage.getDirectory();
    return true;
  } catch {
    return false;
  }
}
