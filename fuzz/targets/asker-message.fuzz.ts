/** What an asker says to a hop. */
import { askerMessageSchema } from '../../shared/protocol/order-messages.ts';
import { askerMessages } from '../samples/message-samples.ts';
import { messageTarget } from '../samples/message-target.ts';

export const target = messageTarget('asker-message', askerMessageSchema, askerMessages, ({ type }) => type);
