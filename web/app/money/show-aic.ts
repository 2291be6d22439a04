/** Amounts for reading. Whoever needs every digit finds it in the element's title. */
import { formatAic } from '../../../shared/receipts/format-aic.ts';

const smallest = 10n ** 12n;

/** Rounded down to six decimals, thousands apart: "1,000.25 AIC", "< 0.000001 AIC". */
export function showAic(wei: bigint): string {
  if (wei > 0n && wei < smallest) return '< 0.000001 AIC';
  const [whole = '0', fraction] = formatAic(wei - (wei % smallest))
    .replace(' AIC', '')
    .split('.');
  const grouped = whole.replace(/\B(?=(?:[0-9]{3})+$)/g, ',');
  return `${grouped}${fraction === undefined ? '' : `.${fraction}`} AIC`;
}
