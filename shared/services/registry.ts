import { VesselError } from '../protocol/errors.ts';
import { imageClassification } from './image-classification/image-classification.ts';
import type { ServiceType } from './service-type.ts';
import { voiceActivity } from './voice-activity/voice-activity.ts';

/** Every service type there is. A new one adds its line here and in `provider/services/registry.ts`. */
export const serviceTypes: readonly ServiceType[] = [imageClassification, voiceActivity];

/** Throws `unsupported` naming the types there are. */
export function requireServiceType(name: string, types: readonly ServiceType[] = serviceTypes): ServiceType {
  const found = types.find((type) => type.name === name);
  if (found) return found;
  const known = types.map((type) => type.name).join(', ');
  throw new VesselError('unsupported', `There is no service type "${name}". Use one of: ${known}.`);
}
