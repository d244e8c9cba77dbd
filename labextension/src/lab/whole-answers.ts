// Notebook 7 puts outputs that are longer than a screen or two into a box that scrolls. An answer is not put into one: it has
// a button that collapses it. If the user chose to scroll an output, it stays in its box.
import type { Cell } from '@jupyterlab/cells';

const SCROLLED = 'jp-mod-outputsScrolled';
const watched = new WeakSet<Cell>();

/** Show the whole output of a prompt cell from now on. */
export function showWholeAnswer(cell: Cell): void {
  if (watched.has(cell)) return;
  watched.add(cell);
  const check = (): void => {
    // The box of the user is a property of the cell, and that of Notebook 7 only a class.
    const isChosen = (cell as Cell & { outputsScrolled?: boolean }).outputsScrolled === true;
    if (cell.hasClass('mm-prompt-cell') && cell.hasClass(SCROLLED) && !isChosen)
      cell.removeClass(SCROLLED);
  };
  new MutationObserver(check).observe(cell.node, { attributeFilter: ['class'] });
  check();
}
