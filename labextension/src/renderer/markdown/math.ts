// LaTeX in Markdown: marked extensions that find it, and Temml that turns it into MathML.
// Prices are not math (an opening $ has no space after it, a closing one none before it and no digit
// after it), code is never looked into, and LaTeX that does not parse is shown as its source.
import type { MarkedExtension, Tokens } from 'marked';
import temml from 'temml';

interface MathToken extends Tokens.Generic {
  type: 'math';
  raw: string;
  tex: string;
  display: boolean;
  block: boolean;
}

const LONGEST = 4000;

function blank(text: string): boolean {
  return text.trim() === '';
}

/** Where the math that starts `src` with `open` ends, or -1: at `close`, within one paragraph. */
function findClose(src: string, from: number, close: string): number {
  const end = Math.min(src.length, from + LONGEST);
  for (let i = from; i < end; i++) {
    if (src.startsWith(close, i)) return blank(src.slice(from, i)) ? -1 : i;
    if (src[i] === '\\') i++;
    else if (src[i] === '\n' && /^[ \t]*(\n|$)/.test(src.slice(i + 1, i + 80))) return -1;
  }
  return -1;
}

function token(raw: string, tex: string, display: boolean, block = false): MathToken {
  return { type: 'math', raw, tex: tex.trim(), display, block };
}

/** `$$…$$`, `\[…\]`, `\(…\)` or `$…$` at the start of `src`. */
function inlineMath(src: string, before: string): MathToken | undefined {
  const opener = /^(?:\$\$|\\\[|\\\(|\$)/.exec(src)?.[0];
  if (opener === undefined) return undefined;
  if (opener !== '$') {
    const close = opener === '$$' ? '$$' : opener === '\\[' ? '\\]' : '\\)';
    const end = findClose(src, opener.length, close);
    if (end < 0) return undefined;
    return token(src.slice(0, end + 2), src.slice(opener.length, end), opener !== '\\(');
  }
  if (/[\w\\$]$/.test(before) || /^\$[\s$]/.test(src)) return undefined;
  const end = findClose(src, 1, '$');
  if (end < 0 || /\s/.test(src[end - 1] ?? ' ') || /[\d$]/.test(src[end + 1] ?? '')) {
    return undefined;
  }
  const tex = src.slice(1, end);
  // A backtick means code, and code wins.
  return tex.includes('`') ? undefined : token(src.slice(0, end + 1), tex, false);
}

/** Display math that has lines of its own. */
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

/** Where in the paragraph that `src` begins with display math has lines of its own. */
function nextBlockMath(src: string): number | undefined {
  for (const found of src.matchAll(/\n(?:[ \t]*\n|(?= {0,3}(?:\$\$|\\\[)))/g)) {
    // `src` is all the rest, and is asked about for each paragraph.
    if (found[0] !== '\n') return undefined;
    const at = found.index + 1;
    if (blockMath(src.slice(at, at + LONGEST + 200))) return at;
  }
  return undefined;
}

/** Marks an element that holds LaTeX source, to be replaced by MathML. */
export const MATH_HOLDER = 'data-mm-math';

function holder(math: Tokens.Generic): string {
  const { tex, display, block } = math as MathToken;
  const html = `<span ${MATH_HOLDER}="${display ? 'block' : 'inline'}">${escapeHtml(tex)}</span>`;
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

/** Hides math from the search for `*` and `_`, which mean other things in LaTeX. */
function mask(src: string): string {
  let masked = '';
  let from = 0;
  for (const { index } of src.matchAll(/\$|\\[([]/g)) {
    if (index < from) continue;
    const found = inlineMath(src.slice(index, index + LONGEST + 4), src.slice(from, index));
    if (!found) continue;
    masked += src.slice(from, index) + 'a'.repeat(found.raw.length);
    from = index + found.raw.length;
  }
  return masked + src.slice(from);
}

/** Teaches marked to find math; it is rendered as an element that holds the LaTeX source. */
export const mathExtension: MarkedExtension = {
  hooks: { emStrongMask: mask },
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
      renderer: holder,
    },
  ],
};

/** Where an unfinished display formula begins in an open block's text, or -1. */
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

/** MathML for `tex`, or null when it does not parse. */
export function mathml(tex: string, display: boolean): string | null {
  try {
    return temml.renderToString(tex, {
      displayMode: display,
      throwOnError: true,
      trust: false,
      strict: false,
      maxExpand: 500,
      maxSize: [50, 50],
      macros: {},
    });
  } catch {
    return null;
  }
}
