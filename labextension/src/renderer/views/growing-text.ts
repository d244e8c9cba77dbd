// Text that is not Markdown and grows: thinking, a tool's arguments, a result.
// Controls and bidi characters in it are always visible.
import { Growth } from './block-view';
import { PlainText } from '../markdown/plain-text';
import type { Block } from '../turn-state';
import { Cleaner } from '../visible-characters';

export class GrowingText {
  private readonly growth = new Growth();
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

  /** Show `text` in place of what has grown. */
  replace(text: string): void {
    this.text.clear();
    const cleaner = new Cleaner();
    this.text.append(cleaner.clean(text) + cleaner.end());
  }
}
