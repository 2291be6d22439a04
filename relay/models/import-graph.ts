import type { BlobSink } from '../../shared/models/checkpoint-source.ts';
import { type GraphManifest, graphManifestSchema, manifestFormat } from '../../shared/models/manifest.ts';
import { VesselError } from '../../shared/protocol/errors.ts';
import { requireServiceType, serviceTypes } from '../../shared/services/registry.ts';
import { parseSettings, type ServiceType } from '../../shared/services/service-type.ts';
import { readOnnxFile } from './read-onnx-file.ts';

export interface GraphImport {
  /** Name people use. */
  name: string;
  /** Service type, e.g. "image-classification". */
  service: string;
  /** As the service type's schema says; what is left out takes its default. */
  settings: unknown;
  /** Where the file is from, for people. */
  origin: string;
}

/**
 * Checks an ONNX file and publishes it behind a service type. Nothing is stored unless all checks pass: `bad_checkpoint` when the
 * file is damaged or the settings do not fit it, `unsupported` for an unknown service type, each with the reason.
 */
export async function importGraph(
  bytes: Uint8Array<ArrayBuffer>,
  { name, service, settings, origin }: GraphImport,
  sink: BlobSink,
  types: readonly ServiceType[] = serviceTypes,
): Promise<{ manifest: GraphManifest }> {
  const type = requireServiceType(service, types);
  const graph = readOnnxFile(bytes);
  const parsed = parseSettings(type, settings);
  type.checkGraph(graph, parsed);
  const head = { format: manifestFormat, kind: 'graph', name, service, settings: parsed, source: origin };
  // Checked with a stand-in before the blob is stored, so that a bad name leaves no orphan behind.
  const standIn = { cid: 'b'.padEnd(59, 'a'), bytes: 1, leaves: [] };
  const checked = graphManifestSchema.safeParse({ ...head, graph: standIn });
  if (!checked.success)
    throw new VesselError('bad_checkpoint', 'The name, origin or settings do not fit a manifest.', { cause: checked.error });
  return { manifest: { ...checked.data, graph: await sink.put(bytes) } };
}
