// Views of blocks without readable content: redacted thinking, and types that this version does not know.
import type { BlockView } from './block-view';
import { element } from '../element';
import { GrowingText } from './growing-text';
import type { Block } from '../turn-state';
import { t } from '../strings';
import { visible } from '../visible-characters';

export class RedactedView implements BlockView {
  readonly el = element('p', 'mm-redacted mm-muted', t('thinking.redacted'));

  update(): void {
    // A redacted block never changes.
  }

  step(): boolean {
    return false;
  }
}

export class UnknownView implements BlockView {
  readonly el = element('details', 'mm-tool');
  private readonly text: GrowingText;
  private shown: Block | null = null;

  constructor(block: Block) {
    const label = t('block.unknown', { type: visible(block.head.type) });
    const body = element('div', 'mm-plain mm-box');
    body.tabIndex = 0;
    body.setAttribute('role', 'group');
    body.setAttribute('aria-label', label);
    this.text = new GrowingText(body);
    this.el.append(element('summary', 'mm-summary', label), body);
  }

  update(block: Block): void {
    const previous = this.shown;
    this.shown = block;
    if (previous?.text === block.text && previous.head === block.head) return;
    // The block is folded, so text that streams into it is drawn only once, at the end.
    if (previous && !block.closed) return;
    const text = block.text ? `\n\n${block.text}` : '';
    this.text.replace(JSON.stringify(block.head, null, 2) + text);
  }

  step(): boolean {
    return false;
  }
}
