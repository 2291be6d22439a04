/** What `@vessel/sdk` publishes. Inside the repository, import the file you mean. */

export type { AskEvent, AskIds, AskStats, RouteHop, TokenLogprob } from '../shared/protocol/asking.ts';
export { type ErrorCode, VesselError } from '../shared/protocol/errors.ts';
export type { Sampling } from '../shared/protocol/sampling.ts';
export type { AnswerEvent, AskRequest } from './ask-text.ts';
export { type DeviceKey, type DeviceKeyPair, deviceKey, generateKeyPair } from './net/device-key.ts';
export type { ServiceResult, ServiceSession } from './service-session.ts';
export type { ChatMessage } from './text/chat-template.ts';
export { ask, type ConnectOptions, connect, type Vessel } from './vessel.ts';
