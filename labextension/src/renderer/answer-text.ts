// The answer as plain text, as a reader sees it: lists with their marks, tables with tabs, code and formulas as they are.
import { toHtml } from './markdown/markdown-to-html';
import { MATH_ATTRIBUTE } from './markdown/math';
import { sanitize } from './markdown/sanitize';
import { visible } from './visible-characters';

const BLOCK =
  'blockquote, details, dd, div, dl, dt, h1, h2, h3, h4, h5, h6, hr, li, ol, p, pre, summary, table, ul';

/** Return Markdown without its marks. */
export function plainText(markdown: string): string {
  return sections(sanitize(toHtml(visible(markdown), {}, false))).join('\n\n');
}

/** Return the text of each block in the node; what is between blocks is a block too. */
function sections(node: Node): string[] {
  const found: string[] = [];
  let line = '';
  const endLine = (): void => {
    if (line.trim()) found.push(line.trim());
    line = '';
  };
  for (const child of node.childNodes) {
    if (child instanceof Element && child.matches(BLOCK)) {
      endLine();
      const text = blockText(child);
      if (text) found.push(text);
    } else {
      line += inlineText(child);
    }
  }
  endLine();
  return found;
}

function blockText(el: Element): string {
  switch (el.tagName) {
    case 'PRE':
      return el.textContent.replace(/\n$/, '');
    case 'UL':
    case 'OL':
      return listText(el);
    case 'TABLE':
      return [...el.querySelectorAll('tr')]
        .map((row) => [...row.children].map((cell) => inlineText(cell).trim()).join('\t'))
        .join('\n');
    default:
      return sections(el).join('\n\n');
  }
}

function listText(list: Element): string {
  let number = Number(list.getAttribute('start') ?? 1);
  const items = [...list.children].map((item) => {
    const mark =
      list.tagName === 'OL' ? `${number++}. ` : item.querySelector('.mm-task') ? '' : '- ';
    const text = sections(item).join('\n');
    return mark + text.replaceAll('\n', `\n${' '.repeat(mark.length || 2)}`);
  });
  return items.join('\n');
}

function inlineText(node: Node): string {
  if (node instanceof Text) return node.data.replace(/\s+/g, ' ');
  if (!(node instanceof Element)) return '';
  if (node.tagName === 'BR') return '\n';
  if (node.tagName === 'IMG') return node.getAttribute('alt') ?? '';
  if (node.tagName === 'CODE' || node.hasAttribute(MATH_ATTRIBUTE)) return node.textContent;
  return [...node.childNodes].map(inlineText).join('');
}
