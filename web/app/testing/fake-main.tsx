/** The screens on a fake network: `?scene=` picks the state they begin in, `?pace=` the milliseconds between events. */
import { mountApp } from '../mount.tsx';
import { FakeNode } from './fake-node.ts';
import { isScene, scenes } from './scenes.ts';

const query = new URLSearchParams(location.search);
const scene = query.get('scene') ?? 'off';
if (!isScene(scene)) throw new Error(`no such scene: ${scene}`);
const node = new FakeNode({ state: scenes[scene](), paceMs: Number(query.get('pace') ?? 120), failAsk: query.get('fail') });
mountApp(node, () => Promise.resolve(null));
