// Shows a thinking block: open while it grows, then folded to its duration.
// Once the reader has opened or closed it, it is never folded automatically, nor while the reader is in it.
import type { BlockView, BlockContext } from './block-view';
import { element, isBeingRead, setText } from '../element';
import { GrowingText } from './growing-text';
import type { Block } from '../turn-state';
import { duration, t } from '../strings';
import { visible } from '../visible-characters';

/** The type of the block that shows a summary of earlier turns. No message has one. */
export const SUMMARY = 'mm_summary';

export class ThinkingView implements BlockView {
  readonly el = element('details', 'mm-thinking');
  private readonly summary = element('summary', 'mm-summary');
  private readonly text: GrowingText;
  private toggledByUser = false;
  private folded = false;

  constructor() {
    const body = element('div', 'mm-plain mm-thinking-text');
    this.text = new GrowingText(body);
    this.el.append(this.summary, body);
    this.el.open = true;
    // The keyboard and assistive tools also send a click to the summary.
    this.summary.addEventListener('click', () => (this.toggledByUser = true));
  }

  update(block: Block, { complete, followed }: BlockContext): void {
    this.text.update(block);
    const done = complete || followed;
    const title = block.head.type === SUMMARY ? block.head['title'] : undefined;
    const label =
      typeof title === 'string'
        ? visible(title)
        : !done
          ? t('thinking.open')
          : block.seconds === null
            ? t('thinking.closed.untimed')
            : t('thinking.closed', { time: duration(block.seconds) });
    setText(this.summary, label);
    if (done && !this.folded) {
      this.folded = true;
      if (!this.toggledByUser && !isBeingRead(this.el)) this.el.open = false;
    }
  }

  step(): boolean {
    return false;
  }
}
