// A top-level code fence while it is open: its lines are appended as they come, nothing is lexed.
// A line that may turn out to be the closing fence is held back until it is known.
import { codeFrame, element } from './decorate-html';
import { PlainText } from './plain-text';

const OPENING = /^( {0,3})(`{3,}|~{3,})([^\n]*)\n/;

export class OpenFence {
  readonly el: HTMLElement;
  private readonly text: PlainText;
  private readonly closing: RegExp;
  private readonly parts: string[] = [];
  /** The start of a line that is not yet shown. */
  private line = '';
  /** Whether the current line's beginning is already shown. */
  private midLine = false;

  /** The fence that `raw` opens, or null if `raw` is no open fence with a complete first line. */
  static open(raw: string): OpenFence | null {
    const opening = OPENING.exec(raw);
    if (!opening) return null;
    const [first, , mark = '', info = ''] = opening;
    if (mark.startsWith('`') && info.includes('`')) return null;
    return new OpenFence(first, mark, info);
  }

  private constructor(first: string, mark: string, info: string) {
    const code = element('code', '');
    this.text = new PlainText(code);
    const language = info.trim().split(/\s+/)[0]?.toLowerCase() ?? '';
    this.el = codeFrame(element('pre', '', code), language);
    this.closing = new RegExp(`^ {0,3}${mark}[~\`]* *$`);
    this.parts.push(first);
  }

  /** Everything of the fence so far. */
  get raw(): string {
    return this.parts.join('') + this.line;
  }

  /** Show `text`; once the fence has closed, what follows it, else null. */
  append(text: string): string | null {
    let shown = '';
    let at = 0;
    while (at < text.length) {
      const newline = text.indexOf('\n', at);
      const piece = newline < 0 ? text.slice(at) : text.slice(at, newline + 1);
      at += piece.length;
      this.line += piece;
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
