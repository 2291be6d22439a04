import { createNode } from '../net/create-node.ts';
import { mountApp, takeAutostartToken } from './mount.tsx';

const node = createNode();
mountApp(node);

const token = takeAutostartToken();
if (token !== null) void node.autostart?.(token);
