// Shows a text block as streaming Markdown.
import { type BlockView, TextGrowth, type BlockContext } from './block-view';
import { element } from '../element';
import { MarkdownStream } from '../markdown/markdown-stream';
import type { Deadline } from '../frame-loop';
import type { Block } from '../turn-state';

export class TextView implements BlockView {
  readonly el = element('div', 'mm-text');
  private readonly growth = new TextGrowth();
  private stream: MarkdownStream;
  private ended = false;

  constructor(private readonly requestedImages: ReadonlySet<string>) {
    this.stream = new MarkdownStream(this.el, requestedImages);
  }

  update(block: Block, { complete }: BlockContext): void {
    const { text, restart } = this.growth.next(block);
    // Text after the end of a block violates the protocol, but it is shown.
    if (restart || (text && this.ended)) {
      this.el.replaceChildren();
      this.stream = new MarkdownStream(this.el, this.requestedImages);
      this.ended = false;
      this.stream.push(block.text);
    } else if (text) {
      this.stream.push(text);
    }
    if (complete && !this.ended) {
      this.stream.end();
      this.ended = true;
    }
  }

  step(deadline: Deadline): boolean {
    return this.stream.step(deadline);
  }
}
