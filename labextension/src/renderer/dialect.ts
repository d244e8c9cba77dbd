// Splits a text into what the reader reads and thinking that the model wrote into it, in <think> tags.
// The twin of ThinkingSplitter in mm_magics/api/dialect.py; both are tested with tests/api/dialect.json.

const OPEN = '<think>';
const CLOSE = '</think>';
const SENTENCE_ENDS = '.!?:…。！？：';
const BLANK = /^[ \t\r\n\f\v]*$/;
const WHITE_AT_END = /[ \t\r\n\f\v]+$/;
const WHITE_AT_START = /^[ \t\r\n\f\v]+/;
const FENCE = /^[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)*(`{3,}|~{3,})([^]*)$/;

export interface Part {
  readonly kind: 'text' | 'thinking';
  readonly text: string;
}

/** Where in Markdown a text has arrived: in a code fence, in inline code, in which line. */
class MarkdownPlace {
  line = '';
  private fence = '';
  private ticks = 0;

  copy(): MarkdownPlace {
    return Object.assign(new MarkdownPlace(), this);
  }

  advance(text: string): void {
    const lines = text.split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      this.line += line;
      this.endLine();
    }
    this.line += rest;
  }

  get isCode(): boolean {
    const isIndented =
      BLANK.test(this.line) && (this.line.startsWith('    ') || this.line.includes('\t'));
    return this.fence !== '' || isIndented || openTicks(this.line, this.ticks) > 0;
  }

  get isQuoted(): boolean {
    return this.line.replace(WHITE_AT_START, '').startsWith('>');
  }

  private endLine(): void {
    const [, marks, rest = ''] = FENCE.exec(this.line) ?? [];
    if (this.fence) {
      if (marks?.startsWith(this.fence) && BLANK.test(rest)) this.fence = '';
    } else if (marks !== undefined && !(marks.startsWith('`') && rest.includes('`'))) {
      this.fence = marks;
      this.ticks = 0;
    } else {
      this.ticks = BLANK.test(this.line) ? 0 : openTicks(this.line, this.ticks);
    }
    this.line = '';
  }
}

/** Return how many backticks opened the inline code at the end of the line; 0 if none is open. */
function openTicks(line: string, before: number): number {
  let ticks = before;
  for (const [run] of line.matchAll(/\\`|`+/g)) {
    if (!run.startsWith('`')) continue;
    if (ticks === 0) ticks = run.length;
    else if (run.length === ticks) ticks = 0;
  }
  return ticks;
}

/**
 * Splits a text as it arrives. The result does not depend on how the text is split into pieces. A tag counts at the
 * start of a line, next to a word or after a sentence, but not in code or in a quote, and not in the middle of a
 * sentence, where it is only mentioned.
 */
export class ThinkingSplitter {
  private readonly place = new MarkdownPlace();
  private thinks = false;
  private held = '';
  private skipsNewlines = false;

  /** Return the parts of the text that are certain. The start of a tag waits for more. */
  feed(more: string): Part[] {
    const parts: Part[] = [];
    let text = this.held + more;
    this.held = '';
    while (text) {
      const tag = this.thinks ? CLOSE : OPEN;
      const at = text.indexOf(tag);
      if (at < 0) {
        const whole = text.length - overlap(text, tag);
        this.held = text.slice(whole);
        this.add(parts, text.slice(0, whole));
        break;
      }
      const before = text.slice(0, at);
      text = text.slice(at + tag.length);
      if (!this.thinks && !this.isTag(before)) {
        this.add(parts, before + tag);
        continue;
      }
      this.add(parts, before);
      this.thinks = !this.thinks;
      this.skipsNewlines = true;
    }
    return parts;
  }

  /** Return what was held back. */
  end(): Part[] {
    const parts: Part[] = [];
    this.add(parts, this.held);
    this.held = '';
    return parts;
  }

  private isTag(before: string): boolean {
    const place = this.place.copy();
    place.advance(before);
    if (place.isCode || place.isQuoted) return false;
    const { line } = place;
    if (BLANK.test(line)) return true;
    const words = line.replace(WHITE_AT_END, '');
    return words === line || SENTENCE_ENDS.includes(words.slice(-1));
  }

  private add(parts: Part[], given: string): void {
    let text = given;
    if (!this.thinks) this.place.advance(text);
    if (this.skipsNewlines) {
      text = text.replace(/^[\r\n]+/, '');
      this.skipsNewlines = text === '';
    }
    if (text) parts.push({ kind: this.thinks ? 'thinking' : 'text', text });
  }
}

/** Return how long the end of the text is that may be the start of the tag. */
function overlap(text: string, tag: string): number {
  for (let size = Math.min(tag.length - 1, text.length); size > 0; size--)
    if (text.endsWith(tag.slice(0, size))) return size;
  return 0;
}

/** Split a whole text. */
export function splitThinking(text: string): Part[] {
  const splitter = new ThinkingSplitter();
  const joined: Part[] = [];
  for (const part of [...splitter.feed(text), ...splitter.end()]) {
    const last = joined.at(-1);
    if (last?.kind === part.kind)
      joined[joined.length - 1] = { kind: last.kind, text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}

/** Return what the reader reads of a text. */
export function withoutThinking(text: string): string {
  if (!text.includes(OPEN)) return text;
  return splitThinking(text)
    .filter(({ kind }) => kind === 'text')
    .map((part) => part.text)
    .join('');
}
