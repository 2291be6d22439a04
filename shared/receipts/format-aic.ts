/** Wei as people read them: "0.0125 AIC", exact. */
export function formatAic(wei: bigint): string {
  const digits = wei.toString().padStart(19, '0');
  const fraction = digits.slice(-18).replace(/0+$/, '');
  return `${digits.slice(0, -18)}${fraction && `.${fraction}`} AIC`;
}
