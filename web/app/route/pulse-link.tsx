/** A link of the route; a dot travels along it whenever `pulses` grows. */
import { useEffect, useRef } from 'react';

const travelMs = 420;
const steps = 16;
/** More dots at once than this are a blur, and cost frames on small devices. */
const mostDots = 4;

export function PulseLink(props: { path: string; pulses: number; kind: 'link' | 'way' }) {
  const { path, pulses, kind } = props;
  const line = useRef<SVGPathElement>(null);
  const dots = useRef<SVGGElement>(null);
  const seen = useRef(pulses);

  useEffect(() => {
    const isNew = pulses > seen.current;
    seen.current = pulses;
    if (!isNew || line.current === null || dots.current === null) return;
    if (dots.current.childElementCount >= mostDots || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    travel(line.current, dots.current);
  }, [pulses]);

  return (
    <g className={`route-${kind}`}>
      <path ref={line} d={path} />
      <g ref={dots} />
    </g>
  );
}

function travel(line: SVGPathElement, dots: SVGGElement): void {
  const dot = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
  dot.setAttribute('r', '4.5');
  dot.setAttribute('class', 'route-dot');
  dots.append(dot);
  const length = line.getTotalLength();
  const frames = Array.from({ length: steps + 1 }, (_, step) => {
    const { x, y } = line.getPointAtLength((length * step) / steps);
    return { transform: `translate(${x}px, ${y}px)` };
  });
  dot.animate(frames, { duration: travelMs, easing: 'ease-in-out', fill: 'both' }).finished.then(
    () => dot.remove(),
    () => dot.remove(),
  );
}
