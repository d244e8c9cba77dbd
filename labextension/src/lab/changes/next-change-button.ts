// A button over the notebook that leads to the changes that wait for a decision while one of them is out of sight: the
// answer waits for the user, who may not see why.
import type { TranslationBundle } from '@jupyterlab/translation';
import { element, setText } from '../../renderer/element';

export class NextChangeButton {
  private readonly button = element('button', 'mm-jump mm-next-change');
  private readonly visible = new Set<Element>();
  private bars: readonly HTMLElement[] = [];
  private readonly observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries)
        if (isIntersecting) this.visible.add(target);
        else this.visible.delete(target);
      this.show();
    },
    { threshold: 0.9 },
  );

  constructor(
    private readonly host: HTMLElement,
    private readonly trans: TranslationBundle,
    goToNext: () => void,
  ) {
    this.button.type = 'button';
    this.button.setAttribute('data-lm-suppress-shortcuts', 'true');
    this.button.addEventListener('click', goToNext);
  }

  /** Lead to the changes that are decided in these bars. */
  update(bars: readonly HTMLElement[]): void {
    for (const bar of this.bars)
      if (!bars.includes(bar)) {
        this.observer.unobserve(bar);
        this.visible.delete(bar);
      }
    for (const bar of bars) if (!this.bars.includes(bar)) this.observer.observe(bar);
    this.bars = bars;
    const label = this.trans.__('Next proposed change');
    setText(this.button, `${label} (${String(bars.length)})`);
    this.show();
  }

  private show(): void {
    const isNeeded = this.bars.some((bar) => !this.visible.has(bar));
    if (!isNeeded) this.button.remove();
    else if (!this.button.isConnected) this.host.append(this.button);
  }
}
