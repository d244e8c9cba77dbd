// Shows a text block as streaming Markdown, and thinking that the model wrote into the text as thinking.
import { type BlockView, TextGrowth, type BlockContext } from './block-view';
import { ThinkingSplitter, type Part } from '../dialect';
import { element } from '../element';
import { MarkdownStream } from '../markdown/markdown-stream';
import type { Deadline } from '../frame-loop';
import type { Block } from '../turn-state';
import { ThinkingView } from './thinking-view';

/** A part of the text in the document. Exactly one of `stream` and `thinking` is set. */
interface ShownPart {
  readonly el: HTMLElement;
  readonly stream?: MarkdownStream;
  readonly thinking?: ThinkingPart;
}

/** Thinking that is not a block: its text grows. */
class ThinkingPart {
  readonly view = new ThinkingView();
  private text = '';

  add(more: string): void {
    this.text += more;
    this.update(false);
  }

  update(complete: boolean, seconds: number | null = null): void {
    const { text } = this;
    const head = { type: 'thinking' };
    const block = { key: -1, head, text, reasoning: '', recent: '', revision: 0 };
    this.view.update(
      { ...block, closed: complete, seconds, exact: null },
      { complete, followed: false, running: !complete, results: [], call: undefined },
    );
  }
}

export class TextView implements BlockView {
  readonly el = element('div', 'mm-parts');
  private readonly growth = new TextGrowth();
  private splitter = new ThinkingSplitter();
  private parts: ShownPart[] = [];
  private ended = false;
  private reasoning: ThinkingPart | null = null;
  private reasoningLength = 0;

  constructor(private readonly requestedImages: ReadonlySet<string>) {}

  update(block: Block, { complete }: BlockContext): void {
    this.updateReasoning(block, complete);
    const { text, restart } = this.growth.next(block);
    // Text after the end of a block violates the protocol, but it is shown.
    if (restart || (text && this.ended)) {
      for (const { el } of this.parts) el.remove();
      this.parts = [];
      this.splitter = new ThinkingSplitter();
      this.ended = false;
      this.add(this.splitter.feed(block.text));
    } else if (text) {
      this.add(this.splitter.feed(text));
    }
    if (complete && !this.ended) {
      this.add(this.splitter.end());
      this.finishLast();
      this.ended = true;
    }
  }

  step(deadline: Deadline): boolean {
    return this.parts.some(({ stream }) => stream?.step(deadline) ?? false);
  }

  private updateReasoning({ reasoning, text }: Block, complete: boolean): void {
    if (reasoning === '') return;
    if (!this.reasoning) {
      this.reasoning = new ThinkingPart();
      this.el.prepend(this.reasoning.view.el);
    }
    this.reasoning.add(reasoning.slice(this.reasoningLength));
    this.reasoningLength = reasoning.length;
    if (complete || text) this.reasoning.update(true);
  }

  private add(parts: readonly Part[]): void {
    for (const { kind, text } of parts) {
      let last = this.parts.at(-1);
      if (!last || (kind === 'text') !== (last.stream !== undefined)) {
        this.finishLast();
        last = kind === 'text' ? this.newText() : newThinking();
        this.parts.push(last);
        this.el.append(last.el);
      }
      last.stream?.push(text);
      last.thinking?.add(text);
    }
  }

  private finishLast(): void {
    const last = this.parts.at(-1);
    last?.stream?.end();
    last?.thinking?.update(true);
  }

  private newText(): ShownPart {
    const el = element('div', 'mm-text');
    return { el, stream: new MarkdownStream(el, this.requestedImages) };
  }
}

function newThinking(): ShownPart {
  const thinking = new ThinkingPart();
  return { el: thinking.view.el, thinking };
}
