// Puts our styles where a view is: into its document, or into its shadow root, once.
import frame from './style.css';
import text from './text.css';

const MARK = 'data-mm-magics';

export function injectStyle(el: HTMLElement): void {
  const root = el.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector(`style[${MARK}]`)) return;
  const style = document.createElement('style');
  style.setAttribute(MARK, '');
  style.textContent = frame + text;
  home.append(style);
}
