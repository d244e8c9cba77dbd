// Adds to sanitized Markdown what a model must not write itself: copy buttons, image buttons and formulas.
// The class of a button names its action. One listener on the root element of the turn handles all buttons.
import { copyText } from '../copy-text';
import { element } from '../element';
import { BLOCKS, hasRightToLeft } from './markup';
import { MATH_ATTRIBUTE } from './math';
import { PlainText } from './plain-text';
import { IMAGE_SOURCE, safeUrl, sanitize } from './sanitize';
import { typesetMath } from './typeset';
import { t } from '../strings';

/** What the page around a turn can do with code. Its button is visible only inside a `HOST_ACTIONS` element. */
export interface CodeAction {
  readonly name: string;
  /** The text of its button. */
  readonly text: string;
  /** The text of its button after it was pressed. */
  readonly done: string;
  /** The name of its button for assistive tools. */
  readonly label: string;
  /** The languages of code that has this action. If missing, all have it. */
  readonly languages?: readonly string[];
}

/** A bubbling event from the button of an action. The detail is a `CodeRequest`. */
export const CODE_EVENT = 'mm-code';
export const HOST_ACTIONS = 'mm-host-code';

export interface CodeRequest {
  /** The name of the action. */
  readonly name: string;
  /** The code, exactly as it is shown. */
  readonly code: string;
}

let actions: readonly CodeAction[] = [];

/** Add buttons for these actions to all code that is drawn from now on. */
export function offerCodeActions(offered: readonly CodeAction[]): void {
  actions = offered;
}

/** Return a frame around a code block, with its language and its buttons. */
export function codeFrame(pre: HTMLElement, language: string): HTMLElement {
  const copy = element('button', 'mm-button mm-copy', t('code.copy'));
  copy.type = 'button';
  copy.setAttribute('aria-label', t('code.copy.label'));
  const name = element('span', 'mm-code-lang', language);
  const bar = element('div', 'mm-code-bar', name, ...actionButtons(language), copy);
  pre.tabIndex = 0;
  // Not a region: one landmark per code block would hide the landmarks of the page.
  pre.setAttribute('role', 'group');
  pre.setAttribute('aria-label', language || t('code.label'));
  return element('div', 'mm-code', bar, pre);
}

function actionButtons(language: string): HTMLElement[] {
  const offered = actions.filter(({ languages }) => languages?.includes(language) ?? true);
  return offered.map(({ name, text, label }) => {
    const button = element('button', 'mm-button mm-code-action', text);
    button.type = 'button';
    button.setAttribute('aria-label', label);
    button.dataset['mmAction'] = name;
    return button;
  });
}

function decorateCode(root: DocumentFragment): void {
  for (const code of root.querySelectorAll<HTMLElement>('pre > code')) {
    const pre = code.parentElement;
    if (!pre) continue;
    const language = code.getAttribute('data-mm-lang') ?? '';
    code.removeAttribute('data-mm-lang');
    // Plain code has the same elements as in an open fence, so nothing changes when a fence closes.
    if (code.childElementCount === 0) {
      const text = code.textContent;
      code.replaceChildren();
      new PlainText(code).append(text);
    }
    const placeholder = document.createComment('');
    pre.replaceWith(placeholder);
    placeholder.replaceWith(codeFrame(pre, language));
  }
}

function imageElement(src: string, alt: string): HTMLImageElement {
  const image = element('img', 'mm-image');
  image.alt = alt;
  image.referrerPolicy = 'no-referrer';
  image.src = src;
  return image;
}

function decorateImages(root: DocumentFragment, requested: ReadonlySet<string>): void {
  for (const image of root.querySelectorAll('img')) {
    const src = image.getAttribute(IMAGE_SOURCE);
    const alt = image.getAttribute('alt') ?? '';
    if (src === null) {
      image.replaceWith(element('span', 'mm-muted', t('image.blocked', { alt })));
    } else if (requested.has(src)) {
      image.replaceWith(imageElement(src, alt));
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

function decorateTasks(root: DocumentFragment): void {
  for (const box of root.querySelectorAll('.mm-task')) {
    // A class instead of `:has()`, which makes the browser check the whole page for each new node.
    box.closest('li')?.classList.add('mm-task-item');
    box.setAttribute('role', 'img');
    box.setAttribute('aria-label', t(box.textContent === '☑' ? 'task.done' : 'task.open'));
  }
}

function decorateMath(root: DocumentFragment): void {
  for (const holder of root.querySelectorAll(`[${MATH_ATTRIBUTE}]`)) typesetMath(holder);
}

/** Give each block the direction of its text, if any is written from right to left. */
function decorateDirections(root: DocumentFragment): void {
  if (!hasRightToLeft(root.textContent)) return;
  for (const block of root.querySelectorAll(BLOCKS)) block.setAttribute('dir', 'auto');
}

/** Turn untrusted HTML into nodes that are safe to show. `requestedImages` are the image URLs that the user loaded. */
export function toSafeNodes(html: string, requestedImages: ReadonlySet<string>): DocumentFragment {
  const root = sanitize(html);
  decorateCode(root);
  decorateImages(root, requestedImages);
  decorateTasks(root);
  decorateMath(root);
  decorateDirections(root);
  return root;
}

function codeBlockOf(button: HTMLElement): string {
  const code = button.closest('.mm-code')?.querySelector('code')?.textContent ?? '';
  return code.replace(/\n$/, '');
}

async function copy(button: HTMLElement): Promise<void> {
  const copied = await copyText(codeBlockOf(button));
  showBriefly(button, t(copied ? 'code.copied' : 'code.copy-failed'), t('code.copy'));
}

function request(button: HTMLElement): void {
  const action = actions.find(({ name }) => name === button.dataset['mmAction']);
  // A second click of a double click does nothing.
  if (!action || button.textContent !== action.text) return;
  const detail: CodeRequest = { name: action.name, code: codeBlockOf(button) };
  button.dispatchEvent(new CustomEvent(CODE_EVENT, { detail, bubbles: true }));
  showBriefly(button, action.done, action.text);
}

/** Show `text` on the button for a moment, then `label` again. */
function showBriefly(button: HTMLElement, text: string, label: string): void {
  button.textContent = text;
  setTimeout(() => (button.textContent = label), 1500);
}

/** Handle all buttons below `root`. The URL of each image that the user loads is added to `requestedImages`. */
export function handleButtons(root: HTMLElement, requestedImages: Set<string>): void {
  root.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('button') : null;
    if (button?.classList.contains('mm-copy')) void copy(button);
    if (button?.classList.contains('mm-code-action')) request(button);
    if (button?.classList.contains('mm-load')) {
      const src = safeUrl(button.getAttribute(IMAGE_SOURCE) ?? '', ['http:', 'https:']);
      if (src === null) return;
      requestedImages.add(src);
      button.replaceWith(imageElement(src, button.dataset['alt'] ?? ''));
    }
  });
}
