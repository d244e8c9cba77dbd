// Shows a tool call in full: each part with its length, code highlighted, in boxes that scroll.
import { element } from '../element';
import { PlainText } from '../markdown/plain-text';
import { fillWithCode } from '../markdown/typeset';
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
      if (!fillWithCode(box, text, language)) new PlainText(box).append(text);
      this.el.append(labelled(`${label} (${size})`, box));
      return box;
    });
  }
}
