// The one gate between text that a model wrote and the document: an allow-list, through DOMPurify.
// What comes out is inert: no script, style, form, frame, SVG, id or handler; links only to http(s) and
// mailto; images hold no `src` and are never fetched before somebody asks for them.
import createDOMPurify, { type Config } from 'dompurify';
import { MATH_HOLDER } from './math';
import { visible } from '../visible-characters';

/** Where an image's address waits until it is asked for. */
export const IMAGE_SOURCE = 'data-mm-src';

const TAGS = (
  'p br hr h1 h2 h3 h4 h5 h6 ul ol li dl dt dd blockquote pre code em strong b i u s del ins sub ' +
  'sup kbd samp var mark small abbr q table caption thead tbody tfoot tr th td a img details ' +
  'summary span div'
).split(' ');
const ATTRIBUTES = (
  'href title alt src align start reversed colspan rowspan open class ' +
  `data-mm-lang ${MATH_HOLDER}`
).split(' ');
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
const SAFE_STYLE =
  /^(?:[\s;]*(?:padding|padding-(?:left|right|top|bottom)|margin-(?:left|right)|width|min-width|text-align|vertical-align|math-depth|math-style|math-shift|display|color|background-color|border[\w-]*|font-weight|font-style|font-size)\s*:[\w\s.,#%()+-]*;?)*$/i;

type Purifier = ReturnType<typeof createDOMPurify>;
let markdownPurifier: Purifier | undefined;
let mathPurifier: Purifier | undefined;

/** The address that may be linked to, spelled as the browser will use it; null for any other. */
export function safeUrl(address: string, schemes: readonly string[]): string | null {
  try {
    const url = new URL(address);
    return schemes.includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function tameLink(link: Element): void {
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

function tameImage(image: Element): void {
  const src = safeUrl(image.getAttribute('src') ?? '', ['http:', 'https:']);
  image.removeAttribute('src');
  if (src !== null) image.setAttribute(IMAGE_SOURCE, src);
}

function forMarkdown(): Purifier {
  if (markdownPurifier) return markdownPurifier;
  const purifier = createDOMPurify(window);
  purifier.setConfig(config(TAGS, ATTRIBUTES));
  purifier.addHook('uponSanitizeAttribute', (_node, data) => {
    data.attrValue = visible(data.attrValue);
    if (data.attrName !== 'class') return;
    data.attrValue = data.attrValue
      .split(/\s+/)
      .filter((name) => CLASSES.test(name))
      .join(' ');
    data.keepAttr = data.attrValue !== '';
  });
  // In DOMPurify's own, inert document: nothing has been fetched yet.
  purifier.addHook('afterSanitizeAttributes', (node) => {
    if (node.nodeName === 'A') tameLink(node);
    if (node.nodeName === 'IMG') tameImage(node);
  });
  return (markdownPurifier = purifier);
}

function forMath(): Purifier {
  if (mathPurifier) return mathPurifier;
  const purifier = createDOMPurify(window);
  purifier.setConfig(config(MATH_TAGS, MATH_ATTRIBUTES));
  purifier.addHook('uponSanitizeAttribute', (_node, data) => {
    if (data.attrName !== 'style') return;
    data.keepAttr = SAFE_STYLE.test(data.attrValue) && !/url|var|attr|image/i.test(data.attrValue);
  });
  return (mathPurifier = purifier);
}

function config(tags: string[], attributes: string[]): Config {
  return {
    ALLOWED_TAGS: tags,
    ALLOWED_ATTR: attributes,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  };
}

/** Rendered Markdown, as nodes that may go into the document. */
export function sanitize(html: string): DocumentFragment {
  const nodes = forMarkdown().sanitize(html, { RETURN_DOM_FRAGMENT: true });
  // What was written as an entity, `&#x202e;`, is a character only now.
  const texts = document.createTreeWalker(nodes, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode as Text;
    const seen = visible(text.data);
    if (seen !== text.data) text.data = seen;
  }
  return nodes;
}

/** MathML that Temml made of a model's LaTeX, as nodes that may go into the document. */
export function sanitizeMath(html: string): DocumentFragment {
  return forMath().sanitize(html, { RETURN_DOM_FRAGMENT: true });
}
