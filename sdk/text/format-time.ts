const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Python's strftime as far as chat templates use it, in English and UTC, so that no machine's locale changes a prompt. */
export function formatTime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const fields: Record<string, string> = {
    Y: String(date.getUTCFullYear()),
    y: two(date.getUTCFullYear() % 100),
    m: two(date.getUTCMonth() + 1),
    d: two(date.getUTCDate()),
    B: months[date.getUTCMonth()]!,
    b: months[date.getUTCMonth()]!.slice(0, 3),
    A: days[date.getUTCDay()]!,
    a: days[date.getUTCDay()]!.slice(0, 3),
    H: two(date.getUTCHours()),
    M: two(date.getUTCMinutes()),
    S: two(date.getUTCSeconds()),
    '%': '%',
  };
  return format.replace(/%([A-Za-z%])/g, (whole, field: string) => fields[field] ?? whole);
}
