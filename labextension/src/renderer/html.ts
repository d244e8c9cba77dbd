// Markdown to an HTML string: marked with GFM and math, and nothing that needs the DOM.
// The string is not safe by itself: everything goes through sanitize.ts before it is shown.
import { Lexer, Marked, Parser, walkTokens, type Links, type TokensList } from 'marked';
import { highlight } from './highlight';
import { escapeHtml, mathExtension } from './math';

export type { Links };

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
  return marked.defaults;
}

const LIVE = flavour(false);
const FINAL = flavour(true);

function lexer(links: Links): Lexer {
  const made = new Lexer(LIVE);
  Object.assign(made.tokens.links, links);
  return made;
}

/** The block tokens of `source`, their inline content left alone; `links` are known definitions. */
export function lexBlocks(source: string, links: Links): TokensList {
  const made = lexer(links);
  made.blockTokens(source, made.tokens);
  return made.tokens;
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
