// Adds our style sheets to the document, or to the shadow root, that contains a view.
import frame from './turn.css';
import text from './markdown/markdown.css';

const MARK = 'data-mm-magics';

/** Add the style sheet once per document or shadow root. The default is the style sheet of a turn. */
export function injectStyle(el: HTMLElement, name = 'turn', sheet = frame + text): void {
  const root = el.getRootNode();
  const parent = root instanceof ShadowRoot ? root : document.head;
  if (parent.querySelector(`style[${MARK}="${name}"]`)) return;
  const style = document.createElement('style');
  style.setAttribute(MARK, name);
  style.textContent = sheet;
  parent.append(style);
}
