// Shows plain text that grows: thinking, the arguments of a tool, a tool result.
// Control and bidi characters are always visible.
import { TextGrowth } from './block-view';
import { PlainText } from '../markdown/plain-text';
import type { Block } from '../turn-state';
import { Cleaner } from '../visible-characters';

export class GrowingText {
  private readonly growth = new TextGrowth();
  private readonly text: PlainText;
  private cleaner = new Cleaner();

  constructor(el: HTMLElement) {
    this.text = new PlainText(el);
  }

  update(block: Block): void {
    const { text, restart } = this.growth.next(block);
    if (restart) {
      this.text.clear();
      this.cleaner = new Cleaner();
    }
    if (text) this.text.append(this.cleaner.clean(text));
  }

  /** Show `text` instead of the text so far. */
  replace(text: string): void {
    this.text.clear();
    const cleaner = new Cleaner();
    this.text.append(cleaner.clean(text) + cleaner.end());
  }
}
