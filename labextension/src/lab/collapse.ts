// Collapses an answer that is longer than a screen to its first lines, and shows all of it again.
import { caretDownIcon, caretUpIcon } from '@jupyterlab/ui-components';
import { element } from '../renderer/element';
import { sharedTranslation } from '../renderer/strings';
import { CONTROL, type HeaderControl } from '../renderer/views/header';

const COLLAPSED = 'mm-collapsed';

export function isCollapsed(turn: Element): boolean {
  return turn.classList.contains(COLLAPSED);
}

/** Whether the answer is longer than the part of the notebook that is visible. */
export function isLong(turn: Element): boolean {
  const screen = turn.closest('.jp-WindowedPanel-outer')?.clientHeight ?? window.innerHeight;
  return screen > 0 && turn.clientHeight > screen;
}

/** Collapse the answer, or show all of it. Its header stays visible. */
export function toggle(turn: Element): void {
  const collapsed = turn.classList.toggle(COLLAPSED);
  const body = turn.querySelector<HTMLElement>('.mm-body');
  const isFocused = body?.contains(document.activeElement);
  // What is cut off cannot be reached with the keyboard either.
  if (body) body.inert = collapsed;
  turn.querySelector('.mm-show-all')?.remove();
  if (!collapsed) return;
  const showAll = showAllButton(turn);
  body?.after(showAll);
  if (isFocused) showAll.focus({ preventScroll: true });
  turn.scrollIntoView({ block: 'nearest' });
}

/** Return a button below the first lines, where a reader looks for the rest. */
function showAllButton(turn: Element): HTMLElement {
  const trans = sharedTranslation();
  const button = element('button', 'mm-button mm-show-all', trans.__('Show all'));
  button.type = 'button';
  button.addEventListener('click', () => {
    toggle(turn);
    turn.querySelector<HTMLElement>('.mm-collapse')?.focus({ preventScroll: true });
  });
  return button;
}

/** The button in the header of a long answer. */
export class CollapseControl implements HeaderControl {
  readonly el = element('button', 'mm-icon-button mm-collapse');
  private turn: Element | null = null;

  constructor() {
    this.el.type = 'button';
    this.el.hidden = true;
    this.el.dataset[CONTROL] = 'collapse';
    this.el.addEventListener('click', () => {
      if (this.turn) toggle(this.turn);
      this.show();
    });
    this.show();
  }

  update(): void {
    const turn = this.el.closest('.mm-turn');
    if (!turn || turn === this.turn) return;
    this.turn = turn;
    new ResizeObserver(() => {
      this.show();
    }).observe(turn);
  }

  private show(): void {
    const { turn } = this;
    const trans = sharedTranslation();
    const collapsed = turn !== null && isCollapsed(turn);
    this.el.hidden = turn === null || !(collapsed || isLong(turn));
    this.el.setAttribute('aria-expanded', String(!collapsed));
    const label = collapsed ? trans.__('Show the whole answer') : trans.__('Collapse the answer');
    if (label === this.el.title) return;
    this.el.title = label;
    this.el.setAttribute('aria-label', label);
    this.el.replaceChildren((collapsed ? caretDownIcon : caretUpIcon).element());
  }
}
