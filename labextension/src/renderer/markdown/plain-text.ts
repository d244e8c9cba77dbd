// Appends plain text to an element, in pieces of whole lines, so that the browser lays out only the last.
// Where the pieces are cut depends on the text alone, never on how it arrived.

const PIECE = 8192;

export class PlainText {
  private last: Text | null = null;
  private piece: HTMLElement | null = null;

  constructor(private readonly host: HTMLElement) {}

  append(text: string): void {
    let rest = text;
    while (rest) {
      const size = this.last?.length ?? 0;
      // A piece ends with the first newline at or after its PIECE-th character.
      const cut = rest.indexOf('\n', Math.max(0, PIECE - size - 1)) + 1;
      const part = cut > 0 ? rest.slice(0, cut) : rest;
      this.write(part);
      if (cut > 0) this.last = this.piece = null;
      rest = rest.slice(part.length);
    }
  }

  clear(): void {
    this.host.replaceChildren();
    this.last = this.piece = null;
  }

  private write(part: string): void {
    if (this.last) {
      this.last.appendData(part);
      return;
    }
    this.last = document.createTextNode(part);
    this.piece = document.createElement('span');
    this.piece.className = 'mm-piece';
    this.piece.append(this.last);
    this.host.append(this.piece);
  }
}
