import type { Clock } from '../shared/protocol/clock.ts';

/** The platform's own clock: monotonic time and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};
