// Highlights code and typesets formulas, with a chunk that loads when it is first needed. Until then, and if it cannot be
// loaded, the plain code and the LaTeX source are shown. What was drawn before is typeset in place.
import { element } from '../element';
import { keepSelection } from './patch-dom';
import { sanitize, sanitizeMath } from './sanitize';
import { MATH_ATTRIBUTE } from './math';

export interface Typesetting {
  /** Return `code` as HTML with `hljs-*` spans, or null if it must be shown without highlighting. */
  readonly highlight: (code: string, language: string) => string | null;
  /** Return LaTeX as MathML, or null if it must be shown as source. */
  readonly toMathML: (tex: string, display: boolean) => string | null;
}

/** How long after a failure the chunk may be requested again. */
const RETRY_AFTER_MS = 10_000;
/** The language of a box whose text is not highlighted yet. */
const LANGUAGE_ATTRIBUTE = 'data-mm-language';

let loaded: Typesetting | null = null;
let load: (() => Promise<Typesetting>) | null = null;
let isRequested = false;
const listeners = new Set<() => void>();

/** Say how the chunk is loaded: each place that shows turns has its own way. */
export function loadTypesettingWith(loader: () => Promise<Typesetting>): void {
  load = loader;
}

/** Load the chunk, unless it is loaded or is being loaded. */
export function requestTypesetting(): void {
  if (loaded || isRequested || !load) return;
  isRequested = true;
  load().then(provideTypesetting, (error: unknown) => {
    console.debug('mm_magics: code and formulas stay plain', error);
    setTimeout(() => (isRequested = false), RETRY_AFTER_MS);
  });
}

/** Use `typesetting` from now on, also for what is drawn; null removes it. */
export function provideTypesetting(typesetting: Typesetting | null): void {
  loaded = typesetting;
  isRequested = false;
  if (loaded) for (const listener of [...listeners]) listener();
}

/** Call `listener` when the chunk has arrived. Return a function that cancels this. */
export function onTypesetting(listener: () => void): () => void {
  if (!loaded) listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Return `code` as HTML, or null if it is shown as it is, for now or for good. */
export function highlight(code: string, language: string): string | null {
  if (language === '') return null;
  requestTypesetting();
  return loaded?.highlight(code, language) ?? null;
}

/** Show code in an element with colors. Return false, and change nothing, if they would change the text. */
export function fillWithCode(box: HTMLElement, text: string, language: string): boolean {
  const html = highlight(text, language);
  const nodes = html === null ? null : sanitize(html);
  if (!loaded && language) box.setAttribute(LANGUAGE_ATTRIBUTE, language);
  else box.removeAttribute(LANGUAGE_ATTRIBUTE);
  if (nodes?.textContent !== text) return false;
  box.replaceChildren(nodes);
  return true;
}

/** Typeset the formula that `holder` contains as source. */
export function typesetMath(holder: Element): void {
  requestTypesetting();
  const tex = holder.textContent;
  const display = holder.getAttribute(MATH_ATTRIBUTE) === 'block';
  const html = loaded?.toMathML(tex, display) ?? null;
  if (loaded) holder.removeAttribute(MATH_ATTRIBUTE);
  holder.className = display ? 'mm-math mm-math-block' : 'mm-math';
  holder.replaceChildren(html === null ? element('code', 'mm-tex', tex) : sanitizeMath(html));
}

/** Return what is left to do for what was drawn without the chunk, in the order of the document. */
export function untypeset(root: Element): (() => void)[] {
  const found = root.querySelectorAll<HTMLElement>(
    `.mm-block:not(.mm-open) .mm-code code, [${LANGUAGE_ATTRIBUTE}], [${MATH_ATTRIBUTE}]`,
  );
  return [...found].map((el) => () => {
    keepSelection(el, () => {
      if (el.hasAttribute(MATH_ATTRIBUTE)) typesetMath(el);
      else fillWithCode(el, el.textContent, el.getAttribute(LANGUAGE_ATTRIBUTE) ?? languageOf(el));
    });
  });
}

/** Return the language that is shown above a code block. */
function languageOf(code: Element): string {
  return code.closest('.mm-code')?.querySelector('.mm-code-lang')?.textContent ?? '';
}
