// What all views of content blocks share: the contract, and reading a block's text as it grows.
// A view only ever receives newer states of one and the same block.
import type { CallChange } from '../../protocol';
import type { Block } from '../turn-state';
import type { Deadline } from '../frame-loop';

/** What a block's view needs to know of the turn around it. */
export interface Surroundings {
  /** No more text will come for this block. */
  readonly over: boolean;
  /** A later block has begun. */
  readonly passed: boolean;
  /** The turn is still running. */
  readonly running: boolean;
  /** The results of a tool call, in order. */
  readonly results: readonly Block[];
  /** How a tool call stands, where that is known. */
  readonly call: CallChange | undefined;
}

export interface BlockView {
  readonly el: HTMLElement;
  update(block: Block, around: Surroundings): void;
  /** Draw until `deadline`; true if there is more to draw. */
  step(deadline: Deadline): boolean;
}

/** Tells what a block's text has grown by since the last look. */
export class Growth {
  private seen = 0;
  private revision = 0;

  /** New text, and whether what was seen before no longer holds. */
  next(block: Block): { text: string; restart: boolean } {
    const restart = block.revision !== this.revision;
    if (restart) this.seen = 0;
    this.revision = block.revision;
    if (block.text.length === this.seen) return { text: '', restart };
    const fresh = block.text.length - this.seen;
    const text =
      fresh <= block.recent.length ? block.recent.slice(-fresh) : block.text.slice(-fresh);
    this.seen = block.text.length;
    return { text, restart };
  }
}
