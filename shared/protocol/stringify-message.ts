/** The counterpart of `parseMessage`: JSON, with amounts (bigint) as decimal text. */
export function stringifyMessage(message: object): string {
  return JSON.stringify(message, (_key, value) => (typeof value === 'bigint' ? value.toString() : value));
}
