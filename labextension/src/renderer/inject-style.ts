// Puts our styles where a view is: into its document, or into its shadow root, once.
import frame from './turn.css';
import text from './markdown/markdown.css';

const MARK = 'data-mm-magics';

/** Put in the sheet of that name; without one, a turn's. */
export function injectStyle(el: HTMLElement, name = 'turn', sheet = frame + text): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector(`style[${MARK}="${name}"]`)) return;
  const style = document.createElement('style');
  style.setAttribute(MARK, name);
  style.textContent = sheet;
  home.append(style);
}
