// The corpus that tests/display/rendering.py reads, too, and its normal form of HTML, in which all viewers must agree.
import corpus from '../../../tests/display/rendering.json';
import { toMathML } from '../../src/renderer/typesetting/mathml';

export interface Row {
  readonly name: string;
  readonly markdown: string;
  readonly html: string;
}

export const ROWS: readonly Row[] = corpus.rows;
export const SANITIZED = corpus.sanitized as [string, string][];

const ATTRIBUTES = ['href', 'start', 'align', 'dir', 'open', 'colspan', 'rowspan'];
const BLOCKS =
  'blockquote|br|dd|details|dl|dt|h[1-6]|hr|li|ol|p|pre|summary|table|tbody|td|th|thead|tr|ul|math display';

const escape = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

/** Return what is shown of a text in its normal form. */
export function normalize(root: Node): string {
  return children(root)
    .replace(/<p>\s*(<math display>[^<]*<\/math>)\s*<\/p>/g, '$1')
    .replace(new RegExp(`\\s*(</?(?:${BLOCKS})\\b[^>]*>)\\s*`, 'g'), '$1')
    .trim();
}

/** Return the HTML of a row with the text of each formula as the browser shows it. */
export function expected(html: string): string {
  return html.replace(/<math( display)?>([^<]*)<\/math>/g, (_all, display = '', tex: string) => {
    const holder = document.createElement('div');
    holder.innerHTML = tex;
    holder.innerHTML = toMathML(holder.textContent, display !== '') ?? '';
    return `<math${display}>${escape(holder.textContent)}</math>`;
  });
}

const children = (node: Node): string => [...node.childNodes].map(one).join('');

function one(node: Node): string {
  if (node instanceof Text) return escape(node.data.replace(/\s+/g, ' '));
  if (!(node instanceof HTMLElement)) return '';
  if (node.classList.contains('mm-math')) {
    const isBlock = node.classList.contains('mm-math-block');
    return `<math${isBlock ? ' display' : ''}>${escape(node.textContent)}</math>`;
  }
  if (node.classList.contains('mm-code')) {
    const language = node.querySelector('.mm-code-lang')?.textContent ?? '';
    const code = escape(node.querySelector('code')?.textContent ?? '').replace(/\n/g, '⏎');
    return `<pre${language ? ` lang="${language}"` : ''}>${code}</pre>`;
  }
  if (node.classList.contains('mm-load'))
    return `<a href="${node.title}">image: ${escape(node.dataset['alt'] ?? '')}</a>`;
  if (node.classList.contains('mm-muted'))
    return `<a>${escape(node.textContent.replace('Image not shown: ', 'image: '))}</a>`;
  const inner = children(node);
  const name = node.localName === 's' ? 'del' : node.localName;
  if (name === 'div' || name === 'span') return inner;
  const attributes = ATTRIBUTES.filter((key) => node.hasAttribute(key))
    .map((key) => ` ${key}="${node.getAttribute(key) ?? ''}"`)
    .join('');
  const start = `<${name}${attributes}>`;
  return name === 'br' || name === 'hr' ? start : `${start}${inner}</${name}>`;
}
