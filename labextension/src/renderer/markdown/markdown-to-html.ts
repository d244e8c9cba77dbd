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
import { characterBefore, maskPunctuation } from './emphasis';
import { footnoteExtension } from './footnotes';
import { escapeHtml, maskMath, mathExtension } from './math';
import { escapeOtherTags } from './markup';
import { highlight } from './typeset';

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

function mayDefine(links: object): boolean {
  return Object.keys(links).length < MAX_LINKS;
}

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
    return mayDefine(this.lexer.tokens.links) ? found : undefined;
  }

  override emStrong(
    src: string,
    masked: string,
    before = '',
  ): Tokens.Em | Tokens.Strong | undefined {
    return super.emStrong(src, masked, src.startsWith('*') ? characterBefore(src, before) : before);
  }

  override del(src: string, masked: string, before = ''): Tokens.Del | undefined {
    return super.del(src, masked, characterBefore(src, before));
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
  const marked = new Marked(mathExtension, footnoteExtension(mayDefine), {
    gfm: true,
    hooks: { emStrongMask: (source) => maskPunctuation(maskMath(source)) },
    renderer: {
      html: ({ text }) => escapeOtherTags(text),
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
