/**
 * JSON may nest as deeply as it is long, and what walks it by recursion (schemas, hashing, writing it again) ends in a full stack
 * then, not in a refusal. So every door for JSON looks at the depth first.
 */

/** The deepest file there is, a tokenizer.json, has about ten levels. */
const maxLevels = 64;

/** Whether lists and objects lie in each other more than 64 levels deep. */
export function isTooDeep(value: unknown, levels = maxLevels): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isTooDeep(item, levels - 1));
  return Object.values(value).some((item) => isTooDeep(item, levels - 1));
}
