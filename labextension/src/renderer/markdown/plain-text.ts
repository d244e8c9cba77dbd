// Appends plain text to an element, split into chunks of whole lines, so the browser lays out only the last chunk.
// The chunks depend only on the text, not on how it arrived.

const CHUNK_LENGTH = 8192;

export class PlainText {
  private last: Text | null = null;

  constructor(private readonly host: HTMLElement) {}

  append(text: string): void {
    let rest = text;
    while (rest) {
      const size = this.last?.length ?? 0;
      // A chunk ends with the first newline at or after CHUNK_LENGTH characters.
      const end = rest.indexOf('\n', Math.max(0, CHUNK_LENGTH - size - 1)) + 1;
      const part = end > 0 ? rest.slice(0, end) : rest;
      this.write(part);
      if (end > 0) this.last = null;
      rest = rest.slice(part.length);
    }
  }

  clear(): void {
    this.host.replaceChildren();
    this.last = null;
  }

  private write(part: string): void {
    if (this.last) {
      this.last.appendData(part);
      return;
    }
    this.last = document.createTextNode(part);
    const chunk = document.createElement('span');
    chunk.className = 'mm-piece';
    chunk.append(this.last);
    this.host.append(chunk);
  }
}
