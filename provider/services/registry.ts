import { runImageClassification } from './image-classification/run-image-classification.ts';
import type { ServiceRunner } from './service-runtime.ts';
import { runVoiceActivity } from './voice-activity/run-voice-activity.ts';

/** Every service type a provider can run; the names are those of `shared/services/registry.ts`. */
export const serviceRunners: readonly ServiceRunner[] = [runImageClassification, runVoiceActivity];
