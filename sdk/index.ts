/** What `@vessel/sdk` publishes. Inside the repository, import the file you mean. */

export type { AnswerPaid, AskEvent, AskIds, AskStats, RouteHop, TokenLogprob } from '../shared/protocol/asking.ts';
export { type ErrorCode, VesselError } from '../shared/protocol/errors.ts';
export type { NetworkTerms } from '../shared/protocol/payment-types.ts';
export type { Sampling } from '../shared/protocol/sampling.ts';
export type { AskPayer } from '../shared/receipts/ask-payer.ts';
export { formatAic } from '../shared/receipts/format-aic.ts';
export type { AnswerEvent, AskRequest } from './ask-text.ts';
export { type DeviceKey, type DeviceKeyPair, deviceKey, generateKeyPair } from './net/device-key.ts';
export { authorizationToSign, newSessionKey, type SessionKey } from './paying/session-key.ts';
export { type PromiseStore, VoucherPayer, type VoucherPayerOptions } from './paying/voucher-payer.ts';
export type { ServiceResult, ServiceSession } from './service-session.ts';
export type { ChatMessage } from './text/chat-template.ts';
export { ask, type ConnectOptions, connect, type Vessel } from './vessel.ts';
