// Makes control and bidi characters visible, because they can disguise what a text says.
// Saved answers show them the same way (`visible` in mm_magics/display/sanitize.py), except for halves of surrogate pairs:
// the other half may still arrive. Each character is handled on its own, so the result does not depend on how a text is
// split.

const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function visibleName(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
}

/** Replace control and bidi characters by visible symbols. Tab and newline are unchanged. */
export function visible(text: string): string {
  return text.replace(HIDDEN, visibleName);
}

/** Makes streamed text visible and converts its line ends to LF. A CR at the end of a piece waits for its LF. */
export class Cleaner {
  private held = '';

  clean(piece: string): string {
    let text = this.held + piece;
    this.held = text.endsWith('\r') ? '\r' : '';
    if (this.held) text = text.slice(0, -1);
    return visible(text.replace(/\r\n?/g, '\n'));
  }

  /** Return the text that was held back when the stream ended. */
  end(): string {
    const rest = this.held ? '\n' : '';
    this.held = '';
    return rest;
  }
}
