/** What must hold on every screen. The functions run in the page. */

/** Controls and pictures that a screen reader could not name. */
export function unnamedControls(): string[] {
  const unnamed: string[] = [];
  for (const element of document.querySelectorAll<HTMLElement>('a, button, input, select, textarea, progress, [role=img]')) {
    const labels = 'labels' in element ? Array.from((element as HTMLInputElement).labels ?? []) : [];
    const labelledBy = element.getAttribute('aria-labelledby');
    const name =
      element.getAttribute('aria-label') ??
      (labelledBy === null ? null : document.getElementById(labelledBy)?.textContent) ??
      [...labels.map((label) => label.textContent), element.textContent].join(' ');
    if ((name ?? '').trim() === '') unnamed.push(element.outerHTML.slice(0, 120));
  }
  return unnamed;
}

/** Text below 4.5:1 (WCAG AA) against the nearest opaque background. Text in pictures is checked against its card. */
export function weakText(): string[] {
  const weak: string[] = [];
  const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: number[]) => {
    const [r, g, b] = color
      .slice(0, 3)
      .map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (
      element === null ||
      node.textContent?.trim() === '' ||
      !element.checkVisibility() ||
      element.closest('noscript, script, option')
    )
      continue;
    if (element.closest('button:disabled, .visually-hidden, .skip-link') !== null) continue;
    const style = getComputedStyle(element);
    const inPicture = element instanceof SVGTextElement;
    let background = [255, 255, 255];
    const card = element.closest('.route-card')?.querySelector('rect');
    if (card) background = parse(getComputedStyle(card).fill);
    else {
      for (let above: Element | null = element; above !== null; above = above.parentElement) {
        const color = parse(getComputedStyle(above).backgroundColor);
        if (color.length === 3 || color[3] === 1) {
          background = color;
          break;
        }
      }
    }
    const [one, two] = [luminance(parse(inPicture ? style.fill : style.color)), luminance(background)];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) weak.push(`${node.textContent?.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return weak;
}
