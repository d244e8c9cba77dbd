// Converts Markdown to an HTML string: marked with GFM and math. No DOM.
// The HTML is not safe: sanitize.ts must clean it before it is shown.
// The work is bounded even for hostile source: Markdown that would take too long to parse is shown as source.
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

/** Inline text (a paragraph, a cell) with more markers is shown as source: parsing takes quadratic time. */
const MAX_MARKERS = 2000;
const MARKERS = /[*_~`[\]<$\\@]/g;
/** Larger tables are shown as source: marked pads short rows, so a few kilobytes could become megabytes. */
const MAX_TABLE_CELLS = 10_000;
/** In characters. A link definition is written once but can be used many times. */
const MAX_LINK_LENGTH = 2000;
/** More link definitions are text: each block of the source takes time for all of them. */
const MAX_LINKS = 1000;

/** The elements of HTML. What looks like a tag of another element is text: a type parameter, or XML. */
const ELEMENTS = new Set(
  (
    'a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote body ' +
    'br button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em ' +
    'embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html i ' +
    'iframe image img input ins isindex kbd keygen label legend li link listing main map mark marquee math menu ' +
    'menuitem meta meter nav nobr noembed noframes noscript object ol optgroup option output p param picture plaintext ' +
    'portal pre progress q rb rp rt rtc ruby s samp script search section select slot small source span strike strong ' +
    'style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video ' +
    'wbr xmp'
  ).split(' '),
);
const TAG = /<\/?([a-z][^\s<>/]*)(?:[\s/][^<>]*)?>/gi;

class BoundedTokenizer extends Tokenizer {
  override autolink(src: string): Tokens.Link | undefined {
    const found = super.autolink(src);
    return found && /^(?:https?|mailto):/i.test(found.href) ? found : undefined;
  }

  override table(src: string): Tokens.Table | undefined {
    const raw = this.rules.block.table.exec(src)?.[0] ?? '';
    const columns = raw.slice(0, raw.indexOf('\n')).split('|').length;
    return columns * raw.split('\n').length > MAX_TABLE_CELLS ? undefined : super.table(src);
  }

  override def(src: string): Tokens.Def | undefined {
    const found = super.def(src);
    if (!found || found.raw.length > MAX_LINK_LENGTH) return undefined;
    const isMore = Object.keys(this.lexer.tokens.links).length >= MAX_LINKS;
    return isMore ? undefined : found;
  }
}

/** The depth of nested quotes and lists. */
const MAX_NESTING = 50;

class BoundedLexer extends Lexer {
  private depth = 0;

  override blockTokens(src: string, tokens: Token[] = [], clipped?: boolean): TokensList {
    if (this.depth > MAX_NESTING) {
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
    if ((src.match(MARKERS)?.length ?? 0) <= MAX_MARKERS) return super.inlineTokens(src, tokens);
    tokens.push({ type: 'text', raw: src, text: src, escaped: false });
    return tokens;
  }
}

/** Return the options of a parser that highlights code blocks or leaves them plain. */
function parserOptions(highlighting: boolean): Marked['defaults'] {
  const marked = new Marked(mathExtension, {
    gfm: true,
    renderer: {
      html: ({ text }) =>
        text.replace(TAG, (tag, name: string) =>
          ELEMENTS.has(name.toLowerCase()) ? tag : escapeHtml(tag),
        ),
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

const STREAMING = parserOptions(false);
const COMPLETE = parserOptions(true);

function lexer(links: Links): Lexer {
  const bounded = new BoundedLexer(STREAMING);
  Object.assign(bounded.tokens.links, links);
  return bounded;
}

/** Return the block tokens of `source`, without parsing their inline content. `links` holds known link definitions. */
export function lexBlocks(source: string, links: Links): TokensList {
  const bounded = lexer(links);
  bounded.blockTokens(source, bounded.tokens);
  return bounded.tokens;
}

/** Return the HTML that shows Markdown as source. */
export function sourceHtml(raw: string): string {
  return `<pre><code>${escapeHtml(raw)}\n</code></pre>`;
}

/** Convert `source` to HTML. Code is highlighted only if `complete`. */
export function toHtml(source: string, links: Links, complete: boolean): string {
  return Parser.parse(lexer(links).lex(source), complete ? COMPLETE : STREAMING);
}

/** Return the code of each code block, including those in lists and quotes, in order. */
export function codeBlocks(source: string): string[] {
  const codes: string[] = [];
  void walkTokens(lexBlocks(source, {}), (token) => {
    if (token.type === 'code') codes.push(String(token['text']));
  });
  return codes;
}
