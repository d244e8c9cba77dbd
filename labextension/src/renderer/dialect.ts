// Splits a text into what the reader reads and thinking that the model wrote into it, in <think> tags.
// The twin of ThinkingSplitter in mm_magics/api/dialect.py; both are tested with tests/api/dialect.json.

const OPEN = '<think>';
const CLOSE = '</think>';
const SENTENCE_ENDS = '.!?:…。！？：';
const BLANK = /^[ \t\r\n\f\v]*$/;
const WHITE_AT_START = /^[ \t\r\n\f\v]+/;
const FENCE = /^[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)*(`{3,}|~{3,})([^]*)$/;

export interface Part {
  readonly kind: 'text' | 'thinking';
  readonly text: string;
}

/** White space or backticks in a row that are looked at together. */
const MAX_RUN = 1000;

/** Where in Markdown a text has arrived: in a code fence, in inline code, in which line. */
class MarkdownPlace {
  /** The last character of the line, and the last one that is not white space. */
  last = '';
  lastWord = '';
  private fence = '';
  private ticks = 0;
  private first = '';
  private lead = '';
  private run = '';
  private pieces: string[] = [];

  advance(text: string): void {
    const lines = text.split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      this.add(line);
      this.endLine();
    }
    this.add(rest);
  }

  get isCode(): boolean {
    const isIndented =
      this.first === '' && (this.lead.startsWith('    ') || this.lead.includes('\t'));
    return this.fence !== '' || isIndented || openTicks(this.run, this.ticks) > 0;
  }

  get isQuoted(): boolean {
    return this.first === '>';
  }

  get isBlank(): boolean {
    return this.first === '';
  }

  private add(text: string): void {
    if (!text) return;
    this.pieces.push(text);
    const words = text.replace(WHITE_AT_START, '');
    if (!this.first) {
      this.lead = (this.lead + text.slice(0, text.length - words.length)).slice(0, MAX_RUN);
      this.first = words.slice(0, 1);
    }
    this.last = text.slice(-1);
    this.lastWord = lastWordOf(words) || this.lastWord;
    const joined = this.run + text;
    let end = joined.length;
    while (end > 0 && joined.length - end < MAX_RUN && '\\`'.includes(joined.charAt(end - 1)))
      end--;
    this.ticks = openTicks(joined.slice(0, end), this.ticks);
    this.run = joined.slice(end);
  }

  private endLine(): void {
    const [, marks, rest = ''] = FENCE.exec(this.pieces.join('')) ?? [];
    if (this.fence) {
      if (marks?.startsWith(this.fence) && BLANK.test(rest)) this.fence = '';
      this.ticks = 0;
    } else if (marks !== undefined && !(marks.startsWith('`') && rest.includes('`'))) {
      this.fence = marks;
      this.ticks = 0;
    } else {
      this.ticks = this.first ? openTicks(this.run, this.ticks) : 0;
    }
    this.last = this.lastWord = this.first = this.lead = this.run = '';
    this.pieces = [];
  }
}

/** Return the last character of a text that is not white space. */
function lastWordOf(text: string): string {
  for (let at = text.length - 1; at >= 0; at--)
    if (!BLANK.test(text.charAt(at))) return text.charAt(at);
  return '';
}

/** Return how many backticks opened the inline code after the text; 0 if none is open. */
function openTicks(text: string, before: number): number {
  let ticks = before;
  for (const [run] of text.matchAll(/\\`|`+/g)) {
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
    const text = this.held + more;
    let start = 0;
    let position = 0;
    for (;;) {
      const tag = this.thinks ? CLOSE : OPEN;
      const at = text.indexOf(tag, position);
      const end = Math.max(position, at < 0 ? text.length - overlap(text, tag) : at);
      if (!this.thinks) this.place.advance(text.slice(position, end));
      if (at < 0) {
        this.held = text.slice(end);
        this.add(parts, text.slice(start, end));
        return parts;
      }
      position = at + tag.length;
      if (!this.thinks && !this.opens()) {
        this.place.advance(tag);
        continue;
      }
      this.add(parts, text.slice(start, at));
      start = position;
      this.thinks = !this.thinks;
      this.skipsNewlines = true;
    }
  }

  /** Return what was held back. */
  end(): Part[] {
    const parts: Part[] = [];
    if (!this.thinks) this.place.advance(this.held);
    this.add(parts, this.held);
    this.held = '';
    return parts;
  }

  /** Whether a tag at this place starts thinking. */
  private opens(): boolean {
    const { place } = this;
    if (place.isCode || place.isQuoted) return false;
    return place.isBlank || !BLANK.test(place.last) || SENTENCE_ENDS.includes(place.lastWord);
  }

  private add(parts: Part[], given: string): void {
    let text = given;
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
