// Sanitizes HTML made from text that a model wrote, with DOMPurify and an allow-list. Nothing else lets such HTML into
// the document.
// The result has no script, style, form, frame, SVG, id or event handler. Links lead only to http(s) and mailto URLs.
// Images have no `src`, so none is fetched before the user loads it.
import createDOMPurify, { type Config } from 'dompurify';
import { ATTRIBUTES as ALLOWED, SHOWN } from './markup';
import { MATH_ATTRIBUTE } from './math';
import { visible } from '../visible-characters';

/** Holds the URL of an image until the user loads it. */
export const IMAGE_SOURCE = 'data-mm-src';

const ATTRIBUTES = [
  ...new Set([...ALLOWED.values()].flat()),
  'class',
  'data-mm-lang',
  MATH_ATTRIBUTE,
];
const MATH_TAGS = (
  'math semantics mrow mi mn mo mtext mspace ms mfrac msqrt mroot mstyle merror mpadded mphantom ' +
  'msub msup msubsup munder mover munderover mmultiscripts mprescripts none mtable mtr mtd menclose'
).split(' ');
const MATH_ATTRIBUTES = (
  'class style display displaystyle scriptlevel mathvariant mathcolor mathbackground mathsize ' +
  'stretchy symmetric fence form separator lspace rspace minsize maxsize movablelimits largeop ' +
  'accent accentunder linethickness width height depth voffset rowspacing columnspacing ' +
  'columnalign rowalign columnlines rowlines frame align rowspan columnspan columnspan notation ' +
  'dir linebreak'
).split(' ');

const CLASSES = /^(?:hljs(?:-[\w-]+)?|[a-z]+_|mm-task)$/;
const SAFE_DECLARATION =
  /^\s*(?:(?:padding|padding-(?:left|right|top|bottom)|margin-(?:left|right)|width|min-width|text-align|vertical-align|math-depth|math-style|math-shift|display|color|background-color|border[\w-]*|font-weight|font-style|font-size)\s*:[\w\s.,#%()+-]*)?$/i;

type Purifier = ReturnType<typeof createDOMPurify>;
let markdownCache: Purifier | undefined;
let mathCache: Purifier | undefined;

/** Return the URL as the browser normalizes it, or null if its scheme is not allowed. */
export function safeUrl(address: string, schemes: readonly string[]): string | null {
  try {
    const url = new URL(address);
    return schemes.includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function restrictLink(link: Element): void {
  const href = safeUrl(link.getAttribute('href') ?? '', ['http:', 'https:', 'mailto:']);
  if (href === null) {
    link.removeAttribute('href');
    return;
  }
  link.setAttribute('href', href);
  link.setAttribute('title', href);
  link.setAttribute('rel', 'noopener noreferrer nofollow');
  link.setAttribute('target', '_blank');
}

function restrictImage(image: Element): void {
  const src = safeUrl(image.getAttribute('src') ?? '', ['http:', 'https:']);
  image.removeAttribute('src');
  if (src !== null) image.setAttribute(IMAGE_SOURCE, src);
}

function markdownSanitizer(): Purifier {
  if (markdownCache) return markdownCache;
  const purifier = createDOMPurify(window);
  purifier.setConfig(config(SHOWN, ATTRIBUTES));
  purifier.addHook('uponSanitizeAttribute', (node, data) => {
    data.attrValue = visible(data.attrValue);
    if (data.attrName !== 'class') {
      const isOurs = data.attrName.startsWith('data-mm-');
      data.keepAttr = isOurs || ALLOWED.get(node.localName)?.includes(data.attrName) === true;
      return;
    }
    data.attrValue = data.attrValue
      .split(/\s+/)
      .filter((name) => CLASSES.test(name))
      .join(' ');
    data.keepAttr = data.attrValue !== '';
  });
  // DOMPurify works in a document of its own, so nothing has been fetched yet.
  purifier.addHook('afterSanitizeAttributes', (node) => {
    if (node.nodeName === 'A') restrictLink(node);
    if (node.nodeName === 'IMG') restrictImage(node);
  });
  return (markdownCache = purifier);
}

function mathSanitizer(): Purifier {
  if (mathCache) return mathCache;
  const purifier = createDOMPurify(window);
  purifier.setConfig(config(MATH_TAGS, MATH_ATTRIBUTES));
  purifier.addHook('uponSanitizeAttribute', (_node, data) => {
    if (data.attrName !== 'style') return;
    data.keepAttr =
      data.attrValue.split(';').every((each) => SAFE_DECLARATION.test(each)) &&
      !/url|var|attr|image/i.test(data.attrValue);
  });
  return (mathCache = purifier);
}

function config(tags: readonly string[], attributes: readonly string[]): Config {
  return {
    ALLOWED_TAGS: [...tags],
    ALLOWED_ATTR: [...attributes],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  };
}

/** Sanitize rendered Markdown. The returned nodes are safe to add to the document. */
export function sanitize(html: string): DocumentFragment {
  const nodes = markdownSanitizer().sanitize(html, { RETURN_DOM_FRAGMENT: true });
  // Entities such as `&#x202e;` have become characters only now.
  const texts = document.createTreeWalker(nodes, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode as Text;
    const shown = visible(text.data);
    if (shown !== text.data) text.data = shown;
  }
  return nodes;
}

/** Sanitize MathML that Temml made from LaTeX. The returned nodes are safe to add to the document. */
export function sanitizeMath(html: string): DocumentFragment {
  return mathSanitizer().sanitize(html, { RETURN_DOM_FRAGMENT: true });
}
