// Gives sanitised Markdown nodes what only we may add: copy buttons, image buttons, formulas.
// Buttons carry their action in a class; one listener on the turn's root serves them all.
import { MATH_HOLDER, mathml } from './math';
import { PlainText } from './plain-text';
import { IMAGE_SOURCE, safeUrl, sanitize, sanitizeMath } from './sanitize';
import { t } from '../strings';

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Asks the host for a new cell with this code; the button is shown where an ancestor has `HOST_INSERTS`. */
export const INSERT_EVENT = 'mm-insert-code';
export const HOST_INSERTS = 'mm-host-inserts';

/** A frame around a code block, with its language and its buttons. */
export function codeFrame(pre: HTMLElement, language: string): HTMLElement {
  const copy = element('button', 'mm-button mm-copy', t('code.copy'));
  copy.type = 'button';
  copy.setAttribute('aria-label', t('code.copy.label'));
  const insert = element('button', 'mm-button mm-insert', t('code.insert'));
  insert.type = 'button';
  insert.setAttribute('aria-label', t('code.insert.label'));
  const name = element('span', 'mm-code-lang', language);
  const bar = element('div', 'mm-code-bar', name, insert, copy);
  pre.tabIndex = 0;
  // Not a region: a landmark for each code block would drown the page's own.
  pre.setAttribute('role', 'group');
  pre.setAttribute('aria-label', language || t('code.label'));
  return element('div', 'mm-code', bar, pre);
}

function dressCode(root: DocumentFragment): void {
  for (const code of root.querySelectorAll<HTMLElement>('pre > code')) {
    const pre = code.parentElement;
    if (!pre) continue;
    const language = code.getAttribute('data-mm-lang') ?? '';
    code.removeAttribute('data-mm-lang');
    // Plain code is laid out as an open fence lays it out, so that closing one changes nothing.
    if (code.childElementCount === 0) {
      const text = code.textContent;
      code.replaceChildren();
      new PlainText(code).append(text);
    }
    const place = document.createComment('');
    pre.replaceWith(place);
    place.replaceWith(codeFrame(pre, language));
  }
}

function shownImage(src: string, alt: string): HTMLImageElement {
  const image = element('img', 'mm-image');
  image.alt = alt;
  image.referrerPolicy = 'no-referrer';
  image.src = src;
  return image;
}

function dressImages(root: DocumentFragment, wanted: ReadonlySet<string>): void {
  for (const image of root.querySelectorAll('img')) {
    const src = image.getAttribute(IMAGE_SOURCE);
    const alt = image.getAttribute('alt') ?? '';
    if (src === null) {
      image.replaceWith(element('span', 'mm-muted', t('image.blocked', { alt })));
    } else if (wanted.has(src)) {
      image.replaceWith(shownImage(src, alt));
    } else {
      const text = t('image.load', { host: new URL(src).host });
      const button = element('button', 'mm-button mm-load', alt ? `${text}: ${alt}` : text);
      button.type = 'button';
      button.title = src;
      button.setAttribute(IMAGE_SOURCE, src);
      button.dataset['alt'] = alt;
      // A button inside a link would open the link.
      const link = image.closest('a');
      if (link) {
        link.after(button);
        image.remove();
      } else {
        image.replaceWith(button);
      }
    }
  }
}

function dressTasks(root: DocumentFragment): void {
  for (const box of root.querySelectorAll('.mm-task')) {
    // A class rather than `:has()`, which makes the browser look at everything for each new node.
    box.closest('li')?.classList.add('mm-task-item');
    box.setAttribute('role', 'img');
    box.setAttribute('aria-label', t(box.textContent === '☑' ? 'task.done' : 'task.open'));
  }
}

function dressMath(root: DocumentFragment): void {
  for (const holder of root.querySelectorAll(`[${MATH_HOLDER}]`)) {
    const tex = holder.textContent;
    const display = holder.getAttribute(MATH_HOLDER) === 'block';
    const html = mathml(tex, display);
    holder.removeAttribute(MATH_HOLDER);
    holder.className = display ? 'mm-math mm-math-block' : 'mm-math';
    holder.replaceChildren(html === null ? element('code', 'mm-tex', tex) : sanitizeMath(html));
  }
}

/** Untrusted HTML as nodes ready to be shown; `wanted` are image addresses that were asked for. */
export function dressed(html: string, wanted: ReadonlySet<string>): DocumentFragment {
  const root = sanitize(html);
  dressCode(root);
  dressImages(root, wanted);
  dressTasks(root);
  dressMath(root);
  return root;
}

function codeBeside(button: HTMLElement): string {
  const code = button.closest('.mm-code')?.querySelector('code')?.textContent ?? '';
  return code.replace(/\n$/, '');
}

async function copy(button: HTMLElement): Promise<void> {
  let text = t('code.copied');
  try {
    await navigator.clipboard.writeText(codeBeside(button));
  } catch {
    text = t('code.copy-failed');
  }
  say(button, text, t('code.copy'));
}

function insert(button: HTMLElement): void {
  const detail = codeBeside(button);
  button.dispatchEvent(new CustomEvent(INSERT_EVENT, { detail, bubbles: true }));
  say(button, t('code.inserted'), t('code.insert'));
}

/** Let the button say `text` for a moment. */
function say(button: HTMLElement, text: string, usual: string): void {
  button.textContent = text;
  setTimeout(() => (button.textContent = usual), 1500);
}

/** Serves the buttons below `root`; addresses of images that are asked for go into `wanted`. */
export function serveButtons(root: HTMLElement, wanted: Set<string>): void {
  root.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (button?.classList.contains('mm-copy')) void copy(button);
    if (button?.classList.contains('mm-insert')) insert(button);
    if (button?.classList.contains('mm-load')) {
      const src = safeUrl(button.getAttribute(IMAGE_SOURCE) ?? '', ['http:', 'https:']);
      if (src === null) return;
      wanted.add(src);
      button.replaceWith(shownImage(src, button.dataset['alt'] ?? ''));
    }
  });
}
