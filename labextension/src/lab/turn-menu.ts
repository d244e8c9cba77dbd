// Runs what the controls in the header of an answer request, and opens its menu.
import type { Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { checkIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyJSONObject } from '@lumino/coreutils';
import { Menu } from '@lumino/widgets';
import { outdatedBelow, sendsPrompt } from './ask-again';
import { canBeEdited } from './fix-and-edit';
import { COMMAND_EVENT, type TurnCommand } from './header-controls';
import { explainMark } from './mark-dialog';
import { cellAt } from './open-notebooks';

/** Shows the controls of turns that need the commands of this extension. */
const HOST_COMMANDS = 'mm-host-commands';
const DONE_MS = 1_500;

/** The menu, in groups. */
export const MENU = [
  ['ask-again', 'ask-again-with-model', 'ask-stale-below', 'fork-here'],
  ['copy-answer', 'copy-answer-text', 'insert-code', 'show-request'],
  ['older-version', 'newer-version', 'pin', 'edit-summary', 'collapse'],
  ['download-answer'],
] as const;

/** Items that only few answers have. */
const RARE: readonly string[] = ['edit-summary'];

/** Show the controls of the turns in a notebook, and do what they request. */
export function handleControls(
  notebook: Notebook,
  commands: CommandRegistry,
  trans: TranslationBundle,
): void {
  notebook.addClass(HOST_COMMANDS);
  notebook.node.addEventListener('contextmenu', ({ target }) => {
    activateClicked(notebook, target);
  });
  notebook.node.addEventListener(COMMAND_EVENT, (event) => {
    const { target } = event;
    if (!(event instanceof CustomEvent) || !(target instanceof HTMLElement)) return;
    const { name, turn, mark } = event.detail as TurnCommand;
    const cell = cellAt(notebook, target);
    if (!cell) return;
    // The commands act on the active cell.
    notebook.activeCellIndex = notebook.widgets.indexOf(cell);
    notebook.deselectAll();
    const args = { turn } as ReadonlyJSONObject;
    if (name === 'menu') openMenu(target, commands, args);
    else if (name === 'mark')
      void explainMark(mark ?? 'stale', outdatedBelow(notebook).length, trans).then((chosen) => {
        const command = `mm-magics:${chosen ?? ''}`;
        const isSame = notebook.activeCell === cell;
        if (chosen && isSame) return commands.execute(command, { ...args, confirmed: true });
        return undefined;
      });
    else void run(target, commands, `mm-magics:${name}`, args);
  });
}

/**
 * Make the cell whose menu opens the active one, on which the items act: JupyterLab 4.6 does not if the click was in
 * the text of the cell.
 */
function activateClicked(notebook: Notebook, target: EventTarget | null): void {
  const cell = target instanceof Element ? cellAt(notebook, target) : undefined;
  if (!cell || notebook.isSelectedOrActive(cell)) return;
  if (!sendsPrompt(cell.model) && !canBeEdited(cell.model)) return;
  notebook.deselectAll();
  notebook.activeCellIndex = notebook.widgets.indexOf(cell);
}

/** Run the command, and show on the button that it has worked if the command says so. */
async function run(
  button: HTMLElement,
  commands: CommandRegistry,
  command: string,
  args: ReadonlyJSONObject,
): Promise<void> {
  if (!commands.isEnabled(command, args)) return;
  if ((await commands.execute(command, args)) !== true) return;
  const shown = [...button.childNodes];
  if (button.classList.contains('mm-done')) return;
  button.classList.add('mm-done');
  button.replaceChildren(checkIcon.element());
  setTimeout(() => {
    button.classList.remove('mm-done');
    button.replaceChildren(...shown);
  }, DONE_MS);
}

function openMenu(button: HTMLElement, commands: CommandRegistry, args: ReadonlyJSONObject): void {
  const menu = new Menu({ commands });
  menu.addClass('mm-turn-menu');
  for (const [at, names] of MENU.entries()) {
    if (at > 0) menu.addItem({ type: 'separator' });
    for (const name of names) {
      const command = `mm-magics:${name}`;
      if (!RARE.includes(name) || commands.isEnabled(command, args))
        menu.addItem({ command, args });
    }
  }
  menu.aboutToClose.connect(() => {
    button.setAttribute('aria-expanded', 'false');
    // The command runs after this: a dialog returns the focus to where it was.
    button.focus({ preventScroll: true });
    setTimeout(() => {
      menu.dispose();
    });
  });
  const { left, bottom } = button.getBoundingClientRect();
  menu.open(left, bottom);
  button.setAttribute('aria-expanded', 'true');
}
