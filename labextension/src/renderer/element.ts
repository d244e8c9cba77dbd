/** Create an element with a class name and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag);
  if (className) el.className = className;
  el.append(...children);
  return el;
}

/** Change the text of an element. A text that stays the same keeps its node, and with it what the reader has selected. */
export function setText(el: HTMLElement, text: string): void {
  if (el.textContent !== text) el.textContent = text;
}

/** Whether the reader has selected something in the element, or has the keyboard focus in it. */
export function isBeingRead(el: HTMLElement): boolean {
  const selection = document.getSelection();
  const isSelected = selection?.isCollapsed === false && selection.getRangeAt(0).intersectsNode(el);
  return isSelected || el.contains(document.activeElement);
}
