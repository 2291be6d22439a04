/** The secret of a key just made. The relay tells it once, so it outlives a reload, until the person says it is kept. */
import { useState } from 'react';
import { z } from 'zod';
import { keep, readKept } from '../money/kept.ts';

const secretSchema = z.object({ id: z.string(), name: z.string(), secret: z.string() });
export type Secret = z.output<typeof secretSchema>;

export function useSecret(): [Secret | null, (secret: Secret | null) => void] {
  const [secret, setSecret] = useState(() => readKept('secret', secretSchema));
  return [
    secret,
    (next) => {
      keep('secret', next);
      setSecret(next);
    },
  ];
}
