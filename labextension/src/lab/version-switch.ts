// The switch between the versions of an answer: ‹ 2/3 ›. It is empty if there is only one.
// Its buttons keep the focus at both ends, so that the keyboard can go back and forth.
import { element } from '../renderer/element';
import { fill, sharedTranslation } from '../renderer/strings';
import { CONTROL, type HeaderControl } from '../renderer/views/header';
import type { TurnFields } from '../renderer/turn-state';

export class VersionSwitch implements HeaderControl {
  readonly el = element('span', 'mm-versions');
  private readonly older = this.button('older', '‹', -1);
  private readonly position = element('span', 'mm-position');
  private readonly newer = this.button('newer', '›', 1);
  private number = 1;
  private count = 1;

  /** `show` is called with the number of the version to show. */
  constructor(private readonly show: (number: number) => void) {
    this.el.setAttribute('role', 'group');
    const trans = sharedTranslation();
    this.el.setAttribute('aria-label', trans.__('Versions of this answer'));
  }

  update({ version: number, versions: count }: TurnFields): void {
    if (typeof number !== 'number' || typeof count !== 'number') return;
    if (number === this.number && count === this.count) return;
    this.number = number;
    this.count = count;
    if (count < 2) {
      this.el.replaceChildren();
      return;
    }
    this.position.textContent = `${number}/${count}`;
    const trans = sharedTranslation();
    const older = trans.__('Show the older version (version {number} of {count} is shown)');
    const newer = trans.__('Show the newer version (version {number} of {count} is shown)');
    this.label(this.older, older, number > 1);
    this.label(this.newer, newer, number < count);
    this.el.replaceChildren(this.older, this.position, this.newer);
  }

  private label(button: HTMLElement, label: string, enabled: boolean): void {
    const text = fill(label, { number: this.number, count: this.count });
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
