// The switch between the versions of an answer: ‹ 2/3 ›. It is empty if there is only one.
// Its buttons keep the focus at both ends, so that the keyboard can go back and forth.
import { element } from '../element';
import { t } from '../strings';

/** Names the control of a header, so that the same control can be focused after the turn is drawn again. */
export const CONTROL = 'mmControl';

export class VersionSwitch {
  readonly el = element('span', 'mm-versions');
  private readonly older = this.button('older', '‹', -1);
  private readonly position = element('span', 'mm-position');
  private readonly newer = this.button('newer', '›', 1);
  private number = 1;
  private count = 1;

  /** `show` is called with the number of the version to show. */
  constructor(private readonly show: (number: number) => void) {
    this.el.setAttribute('role', 'group');
    this.el.setAttribute('aria-label', t('version.label'));
  }

  update(number: unknown, count: unknown): void {
    if (typeof number !== 'number' || typeof count !== 'number') return;
    if (number === this.number && count === this.count) return;
    this.number = number;
    this.count = count;
    if (count < 2) {
      this.el.replaceChildren();
      return;
    }
    this.position.textContent = `${number}/${count}`;
    this.label(this.older, 'version.older', number > 1);
    this.label(this.newer, 'version.newer', number < count);
    this.el.replaceChildren(this.older, this.position, this.newer);
  }

  private label(
    button: HTMLElement,
    key: 'version.older' | 'version.newer',
    enabled: boolean,
  ): void {
    const text = t(key, { number: this.number, count: this.count });
    button.setAttribute('aria-label', text);
    button.title = text;
    button.setAttribute('aria-disabled', String(!enabled));
  }

  private button(name: string, text: string, step: number): HTMLButtonElement {
    const button = element('button', 'mm-icon-button', text);
    button.type = 'button';
    button.dataset[CONTROL] = name;
    button.addEventListener('click', () => {
      const next = this.number + step;
      if (next >= 1 && next <= this.count) this.show(next);
    });
    return button;
  }
}
