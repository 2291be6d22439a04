/** JSON has no infinity. -9999 is what the OpenAI API says of a token that practically cannot be drawn. */
export function finite(logprob: number): number {
  return Math.max(-9999, logprob);
}
