// A text block: streaming Markdown.
import { type BlockView, Growth, type Surroundings } from './block-view';
import { element } from '../markdown/decorate-html';
import { MarkdownStream } from '../markdown/markdown-stream';
import type { Deadline } from '../frame-loop';
import type { Block } from '../turn-state';

export class TextView implements BlockView {
  readonly el = element('div', 'mm-text');
  private readonly growth = new Growth();
  private stream: MarkdownStream;
  private ended = false;

  constructor(private readonly wantedImages: ReadonlySet<string>) {
    this.stream = new MarkdownStream(this.el, wantedImages);
  }

  update(block: Block, { over }: Surroundings): void {
    const { text, restart } = this.growth.next(block);
    // Text after the end is against the rules, but it is not lost.
    if (restart || (text && this.ended)) {
      this.el.replaceChildren();
      this.stream = new MarkdownStream(this.el, this.wantedImages);
      this.ended = false;
      this.stream.push(block.text);
    } else if (text) {
      this.stream.push(text);
    }
    if (over && !this.ended) {
      this.stream.end();
      this.ended = true;
    }
  }

  step(deadline: Deadline): boolean {
    return this.stream.step(deadline);
  }
}
