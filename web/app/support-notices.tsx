/** What this browser or address cannot do, why, and what the person can do about it. */
import type { ReactNode } from 'react';
import { useNodeState } from './use-node.tsx';

export function SupportNotices() {
  const support = useNodeState((state) => state.support);
  const relay = useNodeState((state) => state.relay);
  return (
    <>
      {support !== null && !support.secureContext && (
        <Notice tone="bad" title="This address is not secure">
          Open Vessel through <strong>https://</strong>, or through <strong>http://localhost</strong> on the machine that runs it.
          WebGPU, storage and keys need a secure context; without one this tab can neither contribute nor ask.
        </Notice>
      )}
      {support?.secureContext && !support.webrtc && (
        <Notice tone="bad" title="This browser cannot connect to other tabs">
          WebRTC is switched off or missing, so this tab can neither contribute nor ask. Allow it, or open Vessel in another
          browser.
        </Notice>
      )}
      {relay === 'offline' && support?.secureContext !== false && (
        <Notice tone="warn" title="The relay cannot be reached">
          Vessel keeps trying to reconnect. Answers already under way go on, because they travel from tab to tab.
        </Notice>
      )}
    </>
  );
}

export function Notice(props: { tone: 'info' | 'warn' | 'bad'; title: string; children: ReactNode }) {
  return (
    <div className="notice" data-tone={props.tone} role={props.tone === 'info' ? 'note' : 'alert'}>
      <p className="notice-title">{props.title}</p>
      <p>{props.children}</p>
    </div>
  );
}
