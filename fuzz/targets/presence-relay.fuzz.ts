/** What the relay says to a tab. */
import { presenceRelaySchema } from '../../shared/protocol/presence-messages.ts';
import { presenceRelayMessages } from '../samples/message-samples.ts';
import { messageTarget } from '../samples/message-target.ts';

export const target = messageTarget('presence-relay', presenceRelaySchema, presenceRelayMessages, ({ type }) => type);
