/** The page's entry: real network, real screens. Programs that drive a headless tab of their own find the node as `vessel`. */
import { createNode } from '../net/create-node.ts';
import { readNetworkMoney } from './money/network-money.ts';
import { mountApp } from './mount.tsx';

const node = createNode();
Object.assign(globalThis, { vessel: node });
mountApp(node, readNetworkMoney);
