// Shows a tool call in full: each part with its length, code highlighted, in boxes that scroll.
import { element } from '../element';
import { highlight } from '../markdown/highlight-code';
import { PlainText } from '../markdown/plain-text';
import { sanitize } from '../markdown/sanitize';
import type { ShownPart } from '../../protocol';

/** Return a box that scrolls if it has much text. */
export function scrollBox(label: string): HTMLElement {
  const box = element('div', 'mm-plain mm-box');
  // A scrollable element must be reachable by keyboard.
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', label);
  return box;
}

export function labelled(label: string, box: HTMLElement): HTMLElement {
  return element('div', 'mm-part', element('div', 'mm-label', label), box);
}

export class CallView {
  readonly el = element('div', 'mm-call');
  readonly boxes: readonly HTMLElement[];

  constructor(parts: readonly ShownPart[]) {
    this.boxes = parts.map(({ label, language, text, size }) => {
      const box = scrollBox(label);
      fill(box, text, language);
      this.el.append(labelled(`${label} (${size})`, box));
      return box;
    });
  }
}

/** Show exactly the text. Colors that would change it are left out. */
function fill(box: HTMLElement, text: string, language: string): void {
  const html = highlight(text, language);
  const nodes = html === null ? null : sanitize(html);
  if (nodes?.textContent === text) box.append(nodes);
  else new PlainText(box).append(text);
}
