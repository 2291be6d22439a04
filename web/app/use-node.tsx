/** The node, for every screen, and its state by selector: a screen is redrawn only when what it selects is another object. */
import { createContext, type ReactNode, useContext, useSyncExternalStore } from 'react';
import type { NodeState, VesselNode } from './network.ts';

const NodeContext = createContext<VesselNode | null>(null);

export function NodeProvider(props: { node: VesselNode; children: ReactNode }) {
  return <NodeContext value={props.node}>{props.children}</NodeContext>;
}

export function useNode(): VesselNode {
  const node = useContext(NodeContext);
  if (node === null) throw new Error('useNode needs a NodeProvider above it');
  return node;
}

export function useNodeState<T>(select: (state: NodeState) => T): T {
  const { state } = useNode();
  return useSyncExternalStore(
    (listener) => state.subscribe(listener),
    () => select(state.getSnapshot()),
  );
}
