// The menu of an answer: commands for its cell, opened by the ⋯ button in its header.
import type { Notebook } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';
import { cellAt } from './open-notebooks';

/** A bubbling event from the menu button of a turn. */
export const MENU_EVENT = 'mm-menu';

/** Shows the controls of turns that need the commands of this extension: the menu, and the switch between versions. */
const HOST_COMMANDS = 'mm-host-commands';

const COMMANDS = ['ask-again', 'ask-again-with-model', 'fork-here', 'insert-code'];

/** Show the menu buttons and version switches of the turns in a notebook, and open the menus. */
export function handleMenuButtons(notebook: Notebook, commands: CommandRegistry): void {
  notebook.addClass(HOST_COMMANDS);
  notebook.node.addEventListener(MENU_EVENT, ({ target }) => {
    if (!(target instanceof HTMLElement)) return;
    const cell = cellAt(notebook, target);
    if (!cell) return;
    // The commands act on the active cell.
    notebook.activeCellIndex = notebook.widgets.indexOf(cell);
    notebook.deselectAll();
    openMenu(target, commands);
  });
}

function openMenu(button: HTMLElement, commands: CommandRegistry): void {
  const menu = new Menu({ commands });
  menu.addClass('mm-turn-menu');
  for (const name of COMMANDS) menu.addItem({ command: `mm-magics:${name}` });
  menu.aboutToClose.connect(() => {
    button.setAttribute('aria-expanded', 'false');
    // The command runs first, and may move the focus itself.
    setTimeout(() => {
      if (!document.activeElement || document.activeElement === document.body) button.focus();
      menu.dispose();
    });
  });
  const { left, bottom } = button.getBoundingClientRect();
  menu.open(left, bottom);
  button.setAttribute('aria-expanded', 'true');
}
