import { formatAic } from '../../../shared/receipts/format-aic.ts';
import { showAic } from './show-aic.ts';

export function Amount(props: { wei: bigint }) {
  return (
    <span className="amount" title={formatAic(props.wei)}>
      {showAic(props.wei)}
    </span>
  );
}
