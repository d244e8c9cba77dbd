// The interface of all views of content blocks, and a reader for the text of a growing block.
// A view receives newer and newer states of the same block.
import type { CallChange } from '../../protocol';
import type { Block } from '../turn-state';
import type { Deadline } from '../frame-loop';

/** What the view of a block needs to know about the turn. */
export interface BlockContext {
  /** No more text will arrive for this block. */
  readonly complete: boolean;
  /** A later block has started. */
  readonly followed: boolean;
  /** The turn is still running. */
  readonly running: boolean;
  /** The results of a tool call, in order. */
  readonly results: readonly Block[];
  /** The status of a tool call, if it is known. */
  readonly call: CallChange | undefined;
}

export interface BlockView {
  readonly el: HTMLElement;
  update(block: Block, context: BlockContext): void;
  /** Draw until `deadline`. Return whether there is more to draw. */
  step(deadline: Deadline): boolean;
}

/** Returns the text that was appended to a block since the last call. */
export class TextGrowth {
  private seen = 0;
  private revision = 0;

  /** Return the new text, and whether the text before it was replaced. */
  next(block: Block): { text: string; restart: boolean } {
    const restart = block.revision !== this.revision;
    if (restart) this.seen = 0;
    this.revision = block.revision;
    if (block.text.length === this.seen) return { text: '', restart };
    const added = block.text.length - this.seen;
    const text =
      added <= block.recent.length ? block.recent.slice(-added) : block.text.slice(-added);
    this.seen = block.text.length;
    return { text, restart };
  }
}
