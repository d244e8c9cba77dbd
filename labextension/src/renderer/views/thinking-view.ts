// A thinking block: open while it grows, then folded to its duration.
// Once a reader has opened or closed it by hand it is never folded or opened for them.
import type { BlockView, Surroundings } from './block-view';
import { element } from '../markdown/decorate-html';
import { GrowingText } from './growing-text';
import type { Block } from '../turn-state';
import { duration, t } from '../strings';

export class ThinkingView implements BlockView {
  readonly el = element('details', 'mm-thinking');
  private readonly summary = element('summary', 'mm-summary');
  private readonly text: GrowingText;
  private byHand = false;
  private folded = false;

  constructor() {
    const body = element('div', 'mm-plain mm-thinking-text');
    this.text = new GrowingText(body);
    this.el.append(this.summary, body);
    this.el.open = true;
    // A click on a summary is also what the keyboard and assistive tools make.
    this.summary.addEventListener('click', () => (this.byHand = true));
  }

  update(block: Block, { over, passed }: Surroundings): void {
    this.text.update(block);
    const done = over || passed;
    this.summary.textContent = !done
      ? t('thinking.open')
      : block.seconds === null
        ? t('thinking.closed.untimed')
        : t('thinking.closed', { time: duration(block.seconds) });
    if (done && !this.folded) {
      this.folded = true;
      if (!this.byHand) this.el.open = false;
    }
  }

  step(): boolean {
    return false;
  }
}
