import { useState } from 'react';

export function CopyText(props: { label: string; text: string; isLong?: boolean }) {
  const { label, text, isLong = false } = props;
  const [said, setSaid] = useState('');
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setSaid('Copied'),
      () => setSaid('Select the text and copy it by hand'),
    );
  };
  return (
    <div className="copy" data-long={isLong}>
      <code>{text}</code>
      <button type="button" className="button-small" onClick={copy}>
        Copy<span className="visually-hidden"> {label.toLowerCase()}</span>
      </button>
      <span className="fine-print" role="status">
        {said}
      </span>
    </div>
  );
}
