// Markdown to an HTML string: marked with GFM and math, and nothing that needs the DOM.
// The string is not safe by itself: everything goes through sanitize.ts before it is shown.
// However hostile the source, the work is bounded: what would take too long is shown as its source.
import {
  Lexer,
  Marked,
  Parser,
  Tokenizer,
  walkTokens,
  type Links,
  type Token,
  type Tokens,
  type TokensList,
} from 'marked';
import { highlight } from './highlight-code';
import { escapeHtml, mathExtension } from './math';

export type { Links };

/** Marks in one run of inline text (a paragraph, a cell), beyond which it is not read: that is quadratic. */
const MOST_MARKS = 2000;
const MARKS = /[*_~`[\]<$\\@]/g;
/** Cells of one table; short rows are filled up, so that a few kilobytes could become megabytes. */
const MOST_CELLS = 10_000;
/** Characters of an address or a title that is written once and may be named many times. */
const LONGEST_LINK = 2000;

class BoundedTokenizer extends Tokenizer {
  override table(src: string): Tokens.Table | undefined {
    const raw = this.rules.block.table.exec(src)?.[0] ?? '';
    const columns = raw.slice(0, raw.indexOf('\n')).split('|').length;
    return columns * raw.split('\n').length > MOST_CELLS ? undefined : super.table(src);
  }

  override def(src: string): Tokens.Def | undefined {
    const found = super.def(src);
    return found && found.raw.length > LONGEST_LINK ? undefined : found;
  }
}

/** Quotations and lists in each other. */
const DEEPEST = 50;

class BoundedLexer extends Lexer {
  private depth = 0;

  override blockTokens(src: string, tokens: Token[] = [], clipped?: boolean): TokensList {
    if (this.depth > DEEPEST) {
      tokens.push({ type: 'text', raw: src, text: src, escaped: false });
      return tokens as TokensList;
    }
    this.depth++;
    try {
      return super.blockTokens(src, tokens, clipped) as TokensList;
    } finally {
      this.depth--;
    }
  }

  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    if ((src.match(MARKS)?.length ?? 0) <= MOST_MARKS) return super.inlineTokens(src, tokens);
    tokens.push({ type: 'text', raw: src, text: src, escaped: false });
    return tokens;
  }
}

/** A parser of the same Markdown, with code highlighted or left plain. */
function flavour(highlighting: boolean): Marked['defaults'] {
  const marked = new Marked(mathExtension, {
    gfm: true,
    renderer: {
      code({ text, lang }) {
        const language = (lang ?? '').trim().split(/\s+/)[0]?.toLowerCase() ?? '';
        const html = (highlighting ? highlight(text, language) : null) ?? escapeHtml(text);
        return `<pre><code data-mm-lang="${escapeHtml(language)}">${html}\n</code></pre>`;
      },
      checkbox: ({ checked }) => `<span class="mm-task">${checked ? '☑' : '☐'}</span> `,
    },
  });
  return { ...marked.defaults, tokenizer: new BoundedTokenizer() };
}

const LIVE = flavour(false);
const FINAL = flavour(true);

function lexer(links: Links): Lexer {
  const made = new BoundedLexer(LIVE);
  Object.assign(made.tokens.links, links);
  return made;
}

/** The block tokens of `source`, their inline content left alone; `links` are known definitions. */
export function lexBlocks(source: string, links: Links): TokensList {
  const made = lexer(links);
  made.blockTokens(source, made.tokens);
  return made.tokens;
}

/** A text that is not to be read as Markdown, as HTML. */
export function asSource(raw: string): string {
  return `<pre><code>${escapeHtml(raw)}\n</code></pre>`;
}

/** HTML of `source`; `final` says that its text is complete. */
export function toHtml(source: string, links: Links, final: boolean): string {
  return Parser.parse(lexer(links).lex(source), final ? FINAL : LIVE);
}

/** The code of each code block of `source`, also of those in lists and quotes, in order. */
export function codeBlocks(source: string): string[] {
  const codes: string[] = [];
  void walkTokens(lexBlocks(source, {}), (token) => {
    if (token.type === 'code') codes.push(String(token['text']));
  });
  return codes;
}
