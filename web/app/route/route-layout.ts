/**
 * Places the asker and the hops in rows that turn at the end like a snake, links neighbours, and leads a way back from the last
 * hop to the asker: underneath when there is one row, else through the left margin. Pure geometry in pixels.
 */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface RouteLayout {
  height: number;
  /** Cards without room for more than the layer range. */
  isDense: boolean;
  asker: Box;
  hops: Box[];
  /** SVG path to each hop from the one before it. */
  links: string[];
  /** SVG path from the last hop to the asker. */
  way: string;
  /** Where the way back is named. */
  label: { x: number; y: number };
}

const roomy = { width: 118, height: 58, gap: 30, rowGap: 30 };
const dense = { width: 62, height: 34, gap: 16, rowGap: 20 };
/** More rows of roomy cards than this would fill a phone's screen. */
const mostRoomyRows = 3;
const widestCard = 170;
const margin = 22;
const corner = 10;
const wayRoom = 34;
/** Half of the label's width, so that it stays inside when the way back is short. */
const labelRoom = 66;

export function layoutRoute(hopCount: number, width: number): RouteLayout {
  const items = hopCount + 1;
  const isDense = Math.ceil(items / fitting(roomy, width - margin - 1)) > mostRoomyRows;
  const size = isDense ? dense : roomy;
  const fits = (inset: number) => fitting(size, width - inset);
  const isOneRow = items <= fits(2);
  const left = isOneRow ? 1 : margin;
  const room = width - left - 1;
  const columns = isOneRow ? items : fits(left + 1);
  const cardWidth = Math.min(widestCard, Math.floor((room - (columns - 1) * size.gap) / columns));
  const pitch = columns === 1 ? 0 : (room - cardWidth) / (columns - 1);

  const boxes = Array.from({ length: items }, (_, index): Box => {
    const row = Math.floor(index / columns);
    const place = index % columns;
    const column = row % 2 === 0 ? place : columns - 1 - place;
    return { x: left + column * pitch, y: 1 + row * (size.height + size.rowGap), width: cardWidth, height: size.height };
  });
  const asker = boxes[0]!;
  const hops = boxes.slice(1);
  const last = boxes.at(-1)!;
  const bottom = last.y + last.height;
  const turn = bottom + wayRoom / 2;
  return {
    height: bottom + wayRoom,
    isDense,
    asker,
    hops,
    links: hops.map((box, index) => link(boxes[index]!, box)),
    way: isOneRow ? wayUnder(last, asker, turn) : wayAround(last, asker, turn),
    label: { x: Math.max(labelRoom, (middle(last).x + (isOneRow ? middle(asker).x : 8)) / 2), y: turn },
  };
}

function fitting(size: { width: number; gap: number }, room: number): number {
  return Math.max(2, Math.floor((room + size.gap) / (size.width + size.gap)));
}

function middle(box: Box): { x: number; y: number } {
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

function link(from: Box, to: Box): string {
  if (from.y !== to.y) return `M${middle(from).x} ${from.y + from.height}V${to.y}`;
  return from.x < to.x ? `M${from.x + from.width} ${middle(from).y}H${to.x}` : `M${from.x} ${middle(from).y}H${to.x + to.width}`;
}

function wayUnder(last: Box, asker: Box, turn: number): string {
  const [from, to] = [middle(last).x, middle(asker).x];
  const start = `M${from} ${last.y + last.height}V${turn - corner}Q${from} ${turn} ${from - corner} ${turn}`;
  return `${start}H${to + corner}Q${to} ${turn} ${to} ${turn - corner}V${asker.y + asker.height}`;
}

function wayAround(last: Box, asker: Box, turn: number): string {
  const [from, edge, up] = [middle(last).x, 6, middle(asker).y];
  const start = `M${from} ${last.y + last.height}V${turn - corner}Q${from} ${turn} ${from - corner} ${turn}`;
  return `${start}H${edge + corner}Q${edge} ${turn} ${edge} ${turn - corner}V${up + corner}Q${edge} ${up} ${edge + corner} ${up}H${asker.x}`;
}
