// New cells: where they go, and what is selected in them.
// Always true: what is inserted is not run, and can be undone like any other edit.
import type { ICellModel } from '@jupyterlab/cells';
import type { Notebook } from '@jupyterlab/notebook';
import { HOST_INSERTS, INSERT_EVENT } from '../renderer/markdown/decorate-html';

/** Which cell's turn an inserted cell is from. */
const origins = new WeakMap<ICellModel, ICellModel>();

/** The cell whose turn this one is from; itself, if it was not inserted. */
export function originOf(model: ICellModel): ICellModel {
  return origins.get(model) ?? model;
}

function insertAt({ model }: Notebook, index: number, source: string): void {
  const metadata = { trusted: true };
  model?.sharedModel.insertCell(index, { cell_type: 'code', source, metadata });
}

/** Insert a code cell below the active one and edit it, with `selected` (a part of it, else its end) selected. */
export async function editBelow(
  notebook: Notebook,
  source: string,
  selected?: string,
): Promise<void> {
  const index = notebook.activeCellIndex + 1;
  insertAt(notebook, index, source);
  await show(notebook, index);
  notebook.mode = 'edit';
  const editor = notebook.activeCell?.editor;
  if (!editor) return;
  const at = selected ? source.lastIndexOf(selected) : source.length;
  const start = editor.getPositionAt(at);
  const end = editor.getPositionAt(at + (selected?.length ?? 0));
  if (start && end) editor.setSelection({ start, end });
  editor.focus();
}

/** Insert code of the turn of `origin` below it and below what was inserted from it before; gives the index. */
export function insertCode(notebook: Notebook, origin: ICellModel, code: string): number {
  const cells = notebook.widgets.map((cell) => cell.model);
  let index = cells.indexOf(origin) + 1;
  for (let next = cells[index]; next && origins.get(next) === origin; next = cells[index]) index++;
  insertAt(notebook, index, code);
  const made = notebook.widgets[index]?.model;
  if (made) origins.set(made, origin);
  return index;
}

/** Make the cell the active one, and bring it into sight. */
export async function show(notebook: Notebook, index: number): Promise<void> {
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  notebook.mode = 'command';
  const cell = notebook.activeCell;
  if (!cell) return;
  await notebook.scrollToCell(cell);
  await cell.ready;
}

/** Show the "Insert below" buttons of the answers in the notebook, streaming and saved, and serve them. */
export function serveInsertButtons(notebook: Notebook): void {
  notebook.addClass(HOST_INSERTS);
  notebook.node.addEventListener(INSERT_EVENT, (event) => {
    const code: unknown = event instanceof CustomEvent ? event.detail : null;
    const target = event.target;
    if (typeof code !== 'string' || !(target instanceof Node)) return;
    const cell = notebook.widgets.find((each) => each.node.contains(target));
    if (cell) insertCode(notebook, cell.model, code);
  });
}
