// Inserts cells below a prompt cell, for the commands and for the buttons above code. Undo removes them like any other edit.
import type { ICellModel } from '@jupyterlab/cells';
import type { Notebook } from '@jupyterlab/notebook';

/** The prompt cell whose answer an inserted cell comes from. */
const promptCells = new WeakMap<ICellModel, ICellModel>();

/** Return the prompt cell whose answer this cell comes from, or the cell itself if it was not inserted. */
export function promptCellOf(model: ICellModel): ICellModel {
  return promptCells.get(model) ?? model;
}

/** Insert a code cell. */
export function insertAt({ model }: Notebook, index: number, source: string): void {
  const metadata = { trusted: true };
  model?.sharedModel.insertCell(index, { cell_type: 'code', source, metadata });
}

/** Insert a code cell below the active one and edit it, with `selected` selected or the cursor at the end. */
export async function insertAndEditBelow(
  notebook: Notebook,
  source: string,
  selected?: string,
): Promise<void> {
  const index = notebook.activeCellIndex + 1;
  insertAt(notebook, index, source);
  await activateCell(notebook, index);
  notebook.mode = 'edit';
  const editor = notebook.activeCell?.editor;
  if (!editor) return;
  const at = selected ? source.lastIndexOf(selected) : source.length;
  const start = editor.getPositionAt(at);
  const end = editor.getPositionAt(at + (selected?.length ?? 0));
  if (start && end) editor.setSelection({ start, end });
  editor.focus();
}

/** Insert code from the answer of `promptCell` below everything that was inserted from it. Return the new index. */
export function insertCode(notebook: Notebook, promptCell: ICellModel, code: string): number {
  const cells = notebook.widgets.map((cell) => cell.model);
  let index = cells.indexOf(promptCell) + 1;
  for (let next = cells[index]; next && promptCells.get(next) === promptCell; next = cells[index])
    index++;
  insertAt(notebook, index, code);
  const inserted = notebook.widgets[index]?.model;
  if (inserted) promptCells.set(inserted, promptCell);
  return index;
}

/** Make the cell active and scroll to it. */
export async function activateCell(notebook: Notebook, index: number): Promise<void> {
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  notebook.mode = 'command';
  const cell = notebook.activeCell;
  if (!cell) return;
  await notebook.scrollToCell(cell);
  await cell.ready;
}
