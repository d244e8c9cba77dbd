// Makes characters visible that could disguise what a text says: controls and bidi overrides.
// As the saved answer shows them (`visible` in mm_magics/display/sanitize.py), but for halves of characters: a stream may
// yet bring the other half. Always character by character, so that a text may be treated in any pieces with the same result.

const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function name(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
}

/** `text` with control and bidi characters shown as symbols; tab and newline stay as they are. */
export function visible(text: string): string {
  return text.replace(HIDDEN, name);
}

/** Turns a stream of text into LF-only, visible text; a CR at a piece's end waits for its LF. */
export class Cleaner {
  private held = '';

  clean(piece: string): string {
    let text = this.held + piece;
    this.held = text.endsWith('\r') ? '\r' : '';
    if (this.held) text = text.slice(0, -1);
    return visible(text.replace(/\r\n?/g, '\n'));
  }

  /** What was still held back when the stream ended. */
  end(): string {
    const rest = this.held ? '\n' : '';
    this.held = '';
    return rest;
  }
}
