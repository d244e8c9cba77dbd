// Shows a top-level code fence while it is open: it appends lines as they arrive and parses nothing.
// A line that may be the closing fence is shown only once it is known not to be.
import { element } from '../element';
import { codeFrame } from './decorate-html';
import { PlainText } from './plain-text';

const OPENING = /^ {0,3}(`{3,}(?!`)|~{3,}(?!~))([^\n]*)\n/;

export class OpenFence {
  readonly el: HTMLElement;
  private readonly text: PlainText;
  private readonly closing: RegExp;
  private readonly parts: string[] = [];
  /** The start of a line that is not shown yet. */
  private line = '';
  /** Whether the start of the current line is already shown. */
  private midLine = false;

  /** Return the fence that `raw` opens, or null if `raw` is not an open fence with a complete first line. */
  static parse(raw: string): OpenFence | null {
    const opening = OPENING.exec(raw);
    if (!opening) return null;
    const [first, mark = '', info = ''] = opening;
    if (mark.startsWith('`') && info.includes('`')) return null;
    return new OpenFence(first, mark, info);
  }

  private constructor(first: string, mark: string, info: string) {
    const code = element('code', '');
    this.text = new PlainText(code);
    const language = info.trim().split(/\s+/)[0]?.toLowerCase() ?? '';
    this.el = codeFrame(element('pre', '', code), language);
    this.closing = new RegExp(`^ {0,3}${mark.charAt(0)}{${mark.length}}[~\`]* *$`);
    this.parts.push(first);
  }

  /** The Markdown of the fence so far. */
  get raw(): string {
    return this.parts.join('') + this.line;
  }

  /** Append `text`. Return the text after the fence once it has closed, else null. */
  append(text: string): string | null {
    let shown = '';
    let at = 0;
    while (at < text.length) {
      const newline = text.indexOf('\n', at);
      const part = newline < 0 ? text.slice(at) : text.slice(at, newline + 1);
      at += part.length;
      this.line += part;
      if (!this.midLine && newline >= 0 && this.closing.test(this.line.slice(0, -1))) {
        this.text.append(shown);
        this.line = this.line.slice(0, -1);
        return `\n${text.slice(at)}`;
      }
      if (!this.midLine && newline < 0 && /^ {0,3}[`~]* *$/.test(this.line)) break;
      shown += this.line;
      this.parts.push(this.line);
      this.line = '';
      this.midLine = newline < 0;
    }
    this.text.append(shown);
    return null;
  }
}
