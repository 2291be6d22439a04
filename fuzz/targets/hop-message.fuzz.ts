/** What a hop says to an asker. */
import { hopMessageSchema } from '../../shared/protocol/order-messages.ts';
import { hopMessages } from '../samples/message-samples.ts';
import { messageTarget } from '../samples/message-target.ts';

export const target = messageTarget('hop-message', hopMessageSchema, hopMessages, ({ type }) => type);
