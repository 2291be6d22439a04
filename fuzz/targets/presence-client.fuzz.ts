/** What a tab says to the relay. */
import { presenceClientSchema } from '../../shared/protocol/presence-messages.ts';
import { presenceClientMessages } from '../samples/message-samples.ts';
import { messageTarget } from '../samples/message-target.ts';

export const target = messageTarget('presence-client', presenceClientSchema, presenceClientMessages, ({ type }) => type);
