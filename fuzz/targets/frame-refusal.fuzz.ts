/** What travels back for a frame that was not taken. */
import { frameRefusalSchema } from '../../shared/protocol/frame-refusal.ts';
import { messageTarget } from '../samples/message-target.ts';

export const target = messageTarget('frame-refusal', frameRefusalSchema, [
  { session: '0'.repeat(32), code: 'wrong_epoch' },
  { session: '', code: 'bad_message' },
]);
