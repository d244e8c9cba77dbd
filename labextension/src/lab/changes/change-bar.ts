// The bar of a proposed change: what the model proposes, and the buttons with which the user decides.
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { element, setText } from '../../renderer/element';

export type Decision = 'accept' | 'reject' | 'accept-all' | 'reject-all';

export class ChangeBar extends Widget {
  readonly buttons = element('div', 'mm-change-buttons');
  private readonly text = element('p', 'mm-change-text');
  private readonly all: readonly HTMLButtonElement[];

  constructor(
    code: readonly (Node | string)[] | null,
    private readonly trans: TranslationBundle,
    decide: (decision: Decision) => void,
  ) {
    super();
    this.addClass('mm-change');
    this.node.setAttribute('role', 'group');
    this.node.setAttribute('aria-label', trans.__('Proposed change'));
    // The notebook must not take keys in it for shortcuts.
    this.node.setAttribute('data-lm-suppress-shortcuts', 'true');
    this.node.append(this.text);
    if (code) {
      const shown = element('pre', 'mm-change-code', ...code);
      shown.tabIndex = 0;
      shown.setAttribute('role', 'group');
      shown.setAttribute('aria-label', trans.__('Proposed cell'));
      this.node.append(shown);
    }
    const button = (label: string, decision: Decision): HTMLButtonElement => {
      const el = element('button', `mm-button mm-change-${decision}`, label);
      el.type = 'button';
      el.addEventListener('click', () => {
        decide(decision);
      });
      return el;
    };
    this.all = [button('', 'accept-all'), button('', 'reject-all')];
    const one = [button(trans.__('Accept'), 'accept'), button(trans.__('Reject'), 'reject')];
    this.buttons.append(...one, ...this.all);
    this.node.append(this.buttons);
  }

  /** Show what is proposed, and how many changes of its turn wait for a decision. */
  describe(text: string, count: number): void {
    setText(this.text, text);
    const [accept, reject] = this.all as [HTMLButtonElement, HTMLButtonElement];
    for (const each of this.all) each.hidden = count < 2;
    const [acceptAll, rejectAll] = [this.trans.__('Accept all'), this.trans.__('Reject all')];
    setText(accept, `${acceptAll} (${String(count)})`);
    setText(reject, `${rejectAll} (${String(count)})`);
  }

  focus(): void {
    this.node.querySelector('button')?.focus();
  }
}

/** A sentence where a bar was, until the user closes it. */
export class ChangeNote extends Widget {
  constructor(text: string, trans: TranslationBundle) {
    super();
    this.addClass('mm-change');
    const button = element('button', 'mm-button', trans.__('Close'));
    button.type = 'button';
    button.addEventListener('click', () => {
      this.dispose();
    });
    const shown = element('p', 'mm-change-text', text);
    shown.setAttribute('role', 'status');
    this.node.setAttribute('data-lm-suppress-shortcuts', 'true');
    this.node.append(shown, button);
  }
}
