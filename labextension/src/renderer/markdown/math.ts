// LaTeX in Markdown: extensions for marked that find formulas.
// Prices are not formulas: an opening $ must not be followed by a space, and a closing $ must not be preceded by a space
// or followed by a digit. Code never contains formulas. formulas_plugin in mm_magics/display/formulas.py finds the same formulas.
import type { MarkedExtension, Tokens } from 'marked';
import { MAX_FORMULA_LENGTH } from './formulas';

interface MathToken extends Tokens.Generic {
  type: 'math';
  raw: string;
  tex: string;
  display: boolean;
  block: boolean;
}

function isBlank(text: string): boolean {
  return text.trim() === '';
}

/** Return the index of `close` in the same paragraph, searching from `from`, or -1. */
function findClose(src: string, from: number, close: string): number {
  const end = Math.min(src.length, from + MAX_FORMULA_LENGTH);
  for (let i = from; i < end; i++) {
    if (src.startsWith(close, i)) return isBlank(src.slice(from, i)) ? -1 : i;
    if (src[i] === '\\') i++;
    else if (src[i] === '\n' && /^[ \t]*(\n|$)/.test(src.slice(i + 1, i + 80))) return -1;
  }
  return -1;
}

function token(raw: string, tex: string, display: boolean, block = false): MathToken {
  return { type: 'math', raw, tex: tex.trim(), display, block };
}

/** Find `$$…$$`, `\[…\]`, `\(…\)` or `$…$` at the start of `src`. */
function inlineMath(src: string, before: string): MathToken | undefined {
  const opener = /^(?:\$\$|\\\[|\\\(|\$)/.exec(src)?.[0];
  if (opener === undefined) return undefined;
  if (opener !== '$') {
    const close = opener === '$$' ? '$$' : opener === '\\[' ? '\\]' : '\\)';
    const end = findClose(src, opener.length, close);
    if (end < 0) return undefined;
    return token(src.slice(0, end + 2), src.slice(opener.length, end), opener !== '\\(');
  }
  if (/[A-Za-z0-9\\$]/.test(before.slice(-1)) || /^\$[\s$]/.test(src)) return undefined;
  const end = findClose(src, 1, '$');
  if (end < 0 || /\s/.test(src[end - 1] ?? ' ') || /[\d$]/.test(src[end + 1] ?? '')) {
    return undefined;
  }
  const tex = src.slice(1, end);
  // A backtick starts code, which takes precedence over math.
  return tex.includes('`') ? undefined : token(src.slice(0, end + 1), tex, false);
}

/** Find a display formula on its own lines at the start of `src`. */
function blockMath(src: string): MathToken | undefined {
  const opener = /^ {0,3}(\$\$|\\\[)/.exec(src);
  if (!opener) return undefined;
  const from = opener[0].length;
  const end = findClose(src, from, opener[1] === '$$' ? '$$' : '\\]');
  if (end < 0) return undefined;
  const after = /^[ \t]*(?:\n|$)/.exec(src.slice(end + 2));
  if (!after) return undefined;
  return token(src.slice(0, end + 2 + after[0].length), src.slice(from, end), true, true);
}

/** Return where a display formula on its own lines starts in the first paragraph of `src`. */
function nextBlockMath(src: string): number | undefined {
  for (const found of src.matchAll(/\n(?:[ \t]*\n|(?= {0,3}(?:\$\$|\\\[)))/g)) {
    // marked calls this for each paragraph with the whole rest of the source, so the search ends with the paragraph.
    if (found[0] !== '\n') return undefined;
    const at = found.index + 1;
    if (blockMath(src.slice(at, at + MAX_FORMULA_LENGTH + 200))) return at;
  }
  return undefined;
}

/** Marks an element that contains LaTeX and is replaced by MathML later. */
export const MATH_ATTRIBUTE = 'data-mm-math';

function placeholderHtml(math: Tokens.Generic): string {
  const { tex, display, block } = math as MathToken;
  const html = `<span ${MATH_ATTRIBUTE}="${display ? 'block' : 'inline'}">${escapeHtml(tex)}</span>`;
  return block ? `<p>${html}</p>` : html;
}

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (char) => entities[char] ?? char);
}

/** Hide formulas from the search for emphasis: `*` and `_` have other meanings in LaTeX. */
export function maskMath(src: string): string {
  let masked = '';
  let from = 0;
  for (const { index } of src.matchAll(/\$|\\[([]/g)) {
    if (index < from) continue;
    const found = inlineMath(
      src.slice(index, index + MAX_FORMULA_LENGTH + 4),
      src.slice(from, index),
    );
    if (!found) continue;
    masked += src.slice(from, index) + 'a'.repeat(found.raw.length);
    from = index + found.raw.length;
  }
  return masked + src.slice(from);
}

/** Makes marked find formulas and render each as an element that contains its LaTeX source. */
export const mathExtension: MarkedExtension = {
  extensions: [
    {
      name: 'mathBlock',
      level: 'block',
      childTokens: [],
      start: nextBlockMath,
      tokenizer: (src) => blockMath(src),
    },
    {
      name: 'math',
      level: 'inline',
      start: (src) => /\$|\\[([]/.exec(src)?.index,
      tokenizer: (src, tokens) => inlineMath(src, (tokens as { raw: string }[]).at(-1)?.raw ?? ''),
      renderer: placeholderHtml,
    },
  ],
};

/** Return where an unfinished display formula starts in the text of an open block, or -1. */
export function openMathAt(text: string): number {
  for (const [open, close] of [
    ['$$', '$$'],
    ['\\[', '\\]'],
  ] as const) {
    const at = text.lastIndexOf(open);
    if (at < 0 || !/(^|\n) {0,3}$/.test(text.slice(0, at))) continue;
    const opens = open === close ? text.split(open).length % 2 === 0 : true;
    if (opens && !text.includes(close, at + 2)) return at;
  }
  return -1;
}
