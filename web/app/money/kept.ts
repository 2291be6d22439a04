/** Small things that must outlive a reload of this tab (a secret not yet copied, a transaction under way), and no longer than the tab. */
import type { z } from 'zod';

/** null: nothing is kept, or what is kept is no longer understood. */
export function readKept<Schema extends z.ZodType>(name: string, schema: Schema): z.output<Schema> | null {
  try {
    const parsed = schema.safeParse(JSON.parse(sessionStorage.getItem(`vessel.${name}`) ?? 'null'));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** null forgets. A browser that keeps nothing loses it with the page, as it would anyway. */
export function keep(name: string, value: unknown): void {
  try {
    if (value === null) sessionStorage.removeItem(`vessel.${name}`);
    else sessionStorage.setItem(`vessel.${name}`, JSON.stringify(value));
  } catch {
    // Storage is refused.
  }
}
