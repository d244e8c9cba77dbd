// Asks cells again, by running them.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import type { Cell, ICellModel } from '@jupyterlab/cells';
import type { Notebook, NotebookPanel } from '@jupyterlab/notebook';
import type { OneTimeSettings } from '../protocol';
import { CATALOGUE } from '../renderer/model-catalogue';
import { isOutdated, runOnce } from './kernel-plugin';
import { isPrompt, turnRecordOf } from './prompt-cell';

/** Whether running the cell sends a prompt: it is a prompt cell or has an answer, as `%minimax explain` has. */
export function sendsPrompt(model: ICellModel): boolean {
  return isPrompt(model.sharedModel.getSource()) || turnRecordOf(model) !== null;
}

export function canAskAgain({ activeCell }: Notebook, { sessionContext }: NotebookPanel): boolean {
  return activeCell !== null && sendsPrompt(activeCell.model) && !!sessionContext.session?.kernel;
}

/** Ask the active cell again: send its prompt even if the answer is recorded. */
export async function askAgain(
  app: JupyterFrontEnd,
  panel: NotebookPanel,
  settings: OneTimeSettings = {},
): Promise<void> {
  const id = panel.content.activeCell?.model.id;
  if (id === undefined) return;
  await runOnce(panel, id, { replay: 'off', ...settings }, () =>
    app.commands.execute('notebook:run-cell'),
  );
}

/** Let the user choose a model, or type another name, and ask the active cell again with it. Its text is not changed. */
export async function askAgainWithModel(
  app: JupyterFrontEnd,
  panel: NotebookPanel,
  texts: { readonly title: string; readonly label: string; readonly okLabel: string },
): Promise<void> {
  const cell = panel.content.activeCell;
  const current = cell && turnRecordOf(cell.model)?.['model'];
  const names = CATALOGUE.map(({ name }) => name);
  const { value } = await InputDialog.getItem({
    ...texts,
    items: names,
    current: names.find((name) => name !== current) ?? 0,
    editable: true,
  });
  const model = value?.trim();
  if (model && panel.content.activeCell === cell) await askAgain(app, panel, { model });
}

/** Return the active cell and the cells below it, as far as their answers are stale or edited. */
export function outdatedBelow(notebook: Notebook): Cell[] {
  const from = notebook.widgets.slice(Math.max(0, notebook.activeCellIndex));
  return from.filter((cell) => isOutdated(notebook, cell.model));
}

/** Run the active cell and the cells below it whose answers are stale or edited, in order. */
export async function askOutdatedBelow(app: JupyterFrontEnd, notebook: Notebook): Promise<void> {
  const [first, ...others] = outdatedBelow(notebook);
  if (!first) return;
  notebook.deselectAll();
  notebook.activeCellIndex = notebook.widgets.indexOf(first);
  for (const cell of others) notebook.select(cell);
  await app.commands.execute('notebook:run-cell');
}
