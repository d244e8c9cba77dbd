// Footnotes for marked. A footnote stays where it is written and begins with its label, so text that streams does not move,
// and nothing needs an id that another answer on the page may have. gfm_plugin in mm_magics/display/gfm.py does the same.
import type { MarkedExtension, Tokens } from 'marked';
import { escapeHtml } from './math';

/** A footnote, the lines that continue its first paragraph, and paragraphs that are indented. */
const FOOTNOTE =
  /^ {0,3}\[\^([^\]\s]+)\]:[ \t]*([^\n]*(?:\n(?:(?:[ \t]*\n)*(?: {4}|\t)[^\n]*|(?! {0,3}(?:\[\^|[#>|<]|[*+-][ \t]|\d+[.)]|```|~~~|(?:[-*_][ \t]*){3}))[ \t]*[^\s][^\n]*))*)(?:\n|$)/;
const REFERENCE = /^\[\^([^\]\s]+)\]/;

/** The name of a footnote among the definitions of links. */
const nameOf = (label: unknown): string => `^${String(label)}`;

const label = (token: Tokens.Generic): string =>
  `<sup>[${escapeHtml(String(token['label']))}]</sup>`;

/** Return where a footnote interrupts the first paragraph of `src`. */
function nextFootnote(src: string): number | undefined {
  // marked calls this for each paragraph with the whole rest of the source, so the search ends with the paragraph.
  const found = /\n(?:[ \t]*\n| {0,3}\[\^[^\]\s]+\]:)/.exec(src);
  return found?.[0].endsWith(':') ? found.index + 1 : undefined;
}

/** Makes marked find footnotes. `mayDefine` returns whether one more definition is allowed. */
export function footnoteExtension(mayDefine: (links: object) => boolean): MarkedExtension {
  return {
    extensions: [
      {
        name: 'footnote',
        level: 'block',
        childTokens: ['tokens'],
        start: nextFootnote,
        tokenizer(src) {
          const found = FOOTNOTE.exec(src);
          const { links } = this.lexer.tokens;
          if (!found || !mayDefine(links)) return undefined;
          const [raw, name, text = ''] = found;
          links[nameOf(name)] = { href: '', title: '' };
          const token = { type: 'footnote', raw, label: name, tokens: [] };
          this.lexer.blockTokens(text.replace(/\n(?: {1,4}|\t)/g, '\n'), token.tokens);
          return token;
        },
        renderer(token) {
          const html = this.parser.parse(token.tokens ?? []);
          return html.startsWith('<p>')
            ? html.replace('<p>', () => `<p>${label(token)} `)
            : `<p>${label(token)} </p>\n${html}`;
        },
      },
      {
        name: 'footnoteReference',
        level: 'inline',
        start: (src) => src.indexOf('[^'),
        tokenizer(src) {
          const found = REFERENCE.exec(src);
          if (!found || !Object.hasOwn(this.lexer.tokens.links, nameOf(found[1]))) return undefined;
          return { type: 'footnoteReference', raw: found[0], label: found[1] };
        },
        renderer: label,
      },
    ],
  };
}
