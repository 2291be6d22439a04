/** What can be told about the device before asking it anything. */

interface DeviceClues {
  userAgent: string;
  maxTouchPoints: number;
  /** GiB, rounded by the browser, 8 at most; Chromium only. */
  deviceMemory?: number;
  userAgentData?: { mobile: boolean };
}

/** Phones and tablets suspend hidden pages within seconds. An iPad calls itself a Mac, but a Mac has no touch points. */
export function isPhone(clues: DeviceClues = navigator): boolean {
  if (clues.userAgentData?.mobile === true) return true;
  if (/Android|iPhone|iPad|iPod|Mobile/.test(clues.userAgent)) return true;
  return /Macintosh/.test(clues.userAgent) && clues.maxTouchPoints > 1;
}

const mebibyte = 1024 * 1024;
const pledges = [128, 256, 512, 1024, 2048, 4096, 8192].map((size) => size * mebibyte);

/** Pledges to choose from, and the first offer: half a gigabyte on a phone (iOS kills a tab above about one), else a gigabyte. */
export function memoryPledges(clues: DeviceClues = navigator): { choices: number[]; first: number } {
  const phone = isPhone(clues);
  const most = phone ? 1024 * mebibyte : Math.max(1, clues.deviceMemory ?? 8) * 1024 * mebibyte;
  const choices = pledges.filter((size) => size <= most);
  return { choices, first: Math.min(choices.length - 1, phone ? 2 : 3) };
}

/** "512 MB", "2 GB": pledges are powers of two, so people's words for them fit exactly. */
export function pledgeLabel(bytes: number): string {
  return bytes < 1024 * mebibyte ? `${bytes / mebibyte} MB` : `${bytes / mebibyte / 1024} GB`;
}
