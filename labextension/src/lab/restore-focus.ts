// Moves the focus to a place nearby if what had it is removed or disabled, such as Stop when the answer has ended.
// Otherwise the next key would act on the whole page, and the reader would begin at its top.
import type { Notebook } from '@jupyterlab/notebook';

/** Watch the answers in a notebook. */
export function restoreFocus({ node }: Notebook): void {
  node.addEventListener('focusout', ({ target, relatedTarget }) => {
    if (relatedTarget || !(target instanceof HTMLElement) || !target.closest('.mm-turn')) return;
    const summary = target.closest('details')?.querySelector('summary');
    const cell = target.closest<HTMLElement>('.jp-Cell');
    // A turn that is drawn again gives the focus back itself.
    setTimeout(() => {
      const isLost = document.activeElement === document.body && !canHaveFocus(target);
      if (isLost) [summary, cell].find(canHaveFocus)?.focus({ preventScroll: true });
    });
  });
}

function canHaveFocus(el: HTMLElement | null | undefined): el is HTMLElement {
  return !!el?.isConnected && !el.matches(':disabled') && el.checkVisibility();
}
