// Asks the model to fix a cell that raised an error, or to edit a cell as the user says. Both insert the command below the
// cell and run it, so the notebook shows what was asked. The answer is a proposal: the cell changes only if it is accepted.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import type { Cell, ICellModel } from '@jupyterlab/cells';
import type { Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget, type PanelLayout } from '@lumino/widgets';
import { element } from '../renderer/element';
import { activateCell, insertAt } from './insert-cells';
import { factsOf } from './kernel-facts';
import { isCodeCell } from './prompt-cell';

const MIN_ID = 4;
const COMMAND_LINE = /^\s*%{1,2}minimax\b/m;

/** Whether the kernel of the notebook has loaded mm_magics. */
export function isLoaded({ model }: Notebook): boolean {
  return model !== null && Object.keys(factsOf(model).settings ?? {}).length > 0;
}

/** Whether the model can be asked to edit the cell: it is neither a prompt cell nor a command. */
export function canBeEdited({ type, sharedModel }: ICellModel): boolean {
  return type !== 'raw' && !(type === 'code' && COMMAND_LINE.test(sharedModel.getSource()));
}

/** Show *Fix with MiniMax* below each output that is an error, while the kernel has loaded mm_magics. */
export function offerToFix(
  content: Notebook,
  app: JupyterFrontEnd,
  trans: TranslationBundle,
): void {
  const { model } = content;
  if (!model) return;
  const watched = new WeakSet<ICellModel>();
  const buttons = new WeakMap<Cell, Widget>();
  const fix = (cell: Cell): void => {
    void runBelow(
      content,
      app,
      cell,
      `%minimax fix ${nameOf(content, cell.model)}`,
      /^%minimax fix\b/,
    );
  };
  const update = (cell: Cell): void => {
    const shown = buttons.get(cell);
    const wanted = isLoaded(content) && hasError(cell.model) && canBeEdited(cell.model);
    if (wanted === (shown !== undefined)) return;
    if (shown) {
      buttons.delete(cell);
      shown.dispose();
      return;
    }
    const button = fixButton(trans, () => {
      fix(cell);
    });
    buttons.set(cell, button);
    void cell.ready.then(() => {
      if (!button.isDisposed) (cell.layout as PanelLayout).addWidget(button);
    });
  };
  let isUpdating = false;
  const updateAll = (): void => {
    if (isUpdating) return;
    isUpdating = true;
    setTimeout(() => {
      isUpdating = false;
      if (content.isDisposed) return;
      for (const cell of content.widgets) {
        const { model } = cell;
        if (isCodeCell(model) && !watched.has(model)) {
          watched.add(model);
          model.outputs.changed.connect(updateAll);
        }
        update(cell);
      }
    });
  };
  factsOf(model).listeners.add(updateAll);
  model.cells.changed.connect(updateAll);
  updateAll();
}

/** Let the user say how the model should edit a cell, or the lines of it that are selected, and ask the model. */
export async function editCell(
  content: Notebook,
  app: JupyterFrontEnd,
  cell: Cell,
  trans: TranslationBundle,
): Promise<void> {
  const lines = selectedLines(cell);
  const { value } = await InputDialog.getText({
    title: lines ? trans.__('Edit the selected lines') : trans.__('Edit the cell'),
    label: trans.__('What should change?'),
    okLabel: trans.__('Ask'),
  });
  const instruction = value?.replace(/\s+/g, ' ').trim();
  if (!instruction || cell.isDisposed) return;
  const quoted = `"${instruction.replace(/["\\]/g, '\\$&')}"`;
  const name = nameOf(content, cell.model);
  await runBelow(content, app, cell, `%minimax edit ${name}${lines} ${quoted}`, null);
}

function hasError(model: ICellModel): boolean {
  if (!isCodeCell(model)) return false;
  for (let at = 0; at < model.outputs.length; at++)
    if (model.outputs.get(at).type === 'error') return true;
  return false;
}

function fixButton(trans: TranslationBundle, fix: () => void): Widget {
  const widget = new Widget();
  widget.addClass('mm-fix');
  const button = element('button', 'mm-button', trans.__('Fix with MiniMax'));
  button.type = 'button';
  button.addEventListener('click', fix);
  widget.node.setAttribute('data-lm-suppress-shortcuts', 'true');
  widget.node.append(button);
  return widget;
}

/** Run a command in a new cell below another one, or in the cell there if its text matches. */
async function runBelow(
  notebook: Notebook,
  app: JupyterFrontEnd,
  cell: Cell,
  source: string,
  replaced: RegExp | null,
): Promise<void> {
  const index = notebook.widgets.indexOf(cell) + 1;
  const below = notebook.widgets[index]?.model.sharedModel;
  if (below && replaced?.test(below.getSource())) below.setSource(source);
  else insertAt(notebook, index, source);
  await activateCell(notebook, index);
  if (notebook.activeCell?.model.sharedModel.getSource() === source)
    await app.commands.execute('notebook:run-cell');
}

/** Return the name of a cell for the kernel: `#` and the beginning of its id that no other cell has. */
function nameOf({ model }: Notebook, { id }: ICellModel): string {
  const others = [...(model?.cells ?? [])].map((cell) => cell.id).filter((each) => each !== id);
  let length = MIN_ID;
  while (length < id.length && others.some((each) => each.startsWith(id.slice(0, length))))
    length++;
  return `#${id.slice(0, length)}`;
}

/** Return the lines that are selected in the editor of a cell, such as `:3-7`, or ''. */
function selectedLines({ editor }: Cell): string {
  if (!editor) return '';
  const { start, end } = editor.getSelection();
  const [first, last] = [start, end].sort((a, b) => a.line - b.line || a.column - b.column) as [
    typeof start,
    typeof end,
  ];
  if (first.line === last.line && first.column === last.column) return '';
  // A selection that ends before the first character of a line does not contain the line.
  const to = last.column === 0 ? last.line - 1 : last.line;
  return `:${String(first.line + 1)}-${String(to + 1)}`;
}
