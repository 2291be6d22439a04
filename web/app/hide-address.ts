/** Whether this browser hides its address from other people's devices. Kept between visits: it must hold from the first connection on. */
const name = 'vessel.hide-address';

export function readHideAddress(): boolean {
  try {
    return localStorage.getItem(name) === 'yes';
  } catch {
    // Storage is refused.
    return false;
  }
}

export function keepHideAddress(hide: boolean): void {
  try {
    if (hide) localStorage.setItem(name, 'yes');
    else localStorage.removeItem(name);
  } catch {
    // It holds for this visit.
  }
}
