// Makes changes of a notebook that a model requests, or says in one sentence why a change cannot be made.
// A change of the text of a cell is one undo step of the cell, the others are one of the notebook.
import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import { JSONExt, type JSONObject } from '@lumino/coreutils';
import type { ChangeMessage, NotebookChange } from '../../protocol-changes';

/** What becomes known about a change when it is made. */
export type Outcome = Pick<ChangeMessage, 'source' | 'content' | 'place'>;

/** What the changes of a notebook depend on. */
export interface Target {
  readonly model: INotebookModel;
  readonly isReadOnly: boolean;
  /** Whether the cell is running or queued, or its prompt is being answered. */
  isBusy(cell: string): boolean;
  /** Whether the cell is a prompt that is being answered. */
  isAnswering(cell: string): boolean;
  /** Return the cell of the notebook below which a cell is placed: null at the top, undefined if it is gone. */
  resolve(place: string | null): string | null | undefined;
  /** Return the cell that the page deleted last with this id, in the notebook format. */
  deleted(cell: string): ChangeMessage['content'];
}

/** Return why the change cannot be made; '' if it can. */
export function obstacleTo(change: NotebookChange, target: Target): string {
  const { kind, cell: id, before, place = null } = change;
  if (target.isReadOnly) return 'The notebook is read-only.';
  if ((kind === 'insert' || kind === 'move') && target.resolve(place) === undefined)
    return 'The cell below which it belongs is no longer in the notebook.';
  const cell = cellOf(target.model, id);
  if (kind === 'insert') return cell ? 'The notebook already has this cell.' : '';
  if (!cell) return 'The cell is no longer in the notebook.';
  if (target.isAnswering(id)) return 'The cell is a prompt that is being answered.';
  if (cell.sharedModel.getSource() !== before)
    return 'The text of the cell was changed after the model read it.';
  if (kind === 'edit' && cell.getMetadata('editable') === false) return 'The cell is read-only.';
  if (kind === 'delete' && cell.getMetadata('deletable') === false)
    return 'The cell is protected from being deleted.';
  if (kind === 'run' && cell.type === 'raw') return 'A raw cell cannot be run.';
  if (kind !== 'edit' && target.isBusy(id)) return 'The cell is running.';
  return '';
}

/** Make a change to which there is no obstacle. */
export function applyChange(change: NotebookChange, target: Target, text?: string): Outcome {
  const { model } = target;
  const cells = [...model.cells];
  const at = cells.findIndex(({ id }) => id === change.cell);
  const above = cells[at - 1]?.id ?? null;
  switch (change.kind) {
    case 'edit':
      return edit(cells[at] as ICellModel, text ?? change.after ?? '');
    case 'insert':
      insert(change, target, cells);
      return { source: cellOf(model, change.cell)?.sharedModel.getSource() ?? '' };
    case 'move': {
      const place = target.resolve(change.place ?? null) ?? null;
      const below = cells.findIndex(({ id }) => id === place);
      const to = at <= below ? below : below + 1;
      if (to !== at && place !== change.cell)
        inOneStep(model.sharedModel as Undoable, () => {
          model.sharedModel.moveCell(at, to);
        });
      return { place: above };
    }
    case 'delete': {
      const content = cells[at]?.sharedModel.toJSON() as unknown as ChangeMessage['content'];
      inOneStep(model.sharedModel as Undoable, () => {
        // A notebook without cells cannot be edited.
        model.sharedModel.transact(() => {
          model.sharedModel.deleteCell(at);
          if (cells.length === 1)
            model.sharedModel.insertCell(0, { cell_type: 'code', metadata: { trusted: true } });
        });
      });
      return { place: above, ...(content ? { content } : {}) };
    }
    case 'run':
      return {};
  }
}

function insert(change: NotebookChange, target: Target, cells: ICellModel[]): void {
  const { model } = target;
  const place = target.resolve(change.place ?? null) ?? null;
  const index = cells.findIndex(({ id }) => id === place) + 1;
  const made = {
    cell_type: change.cell_type ?? 'code',
    source: change.after ?? '',
    metadata: change.cell_type === 'markdown' ? {} : { trusted: true },
  };
  const cell = { ...(restored(change, target) ?? made), id: change.cell };
  inOneStep(model.sharedModel as Undoable, () => {
    model.sharedModel.insertCell(index, cell as Parameters<typeof model.sharedModel.insertCell>[1]);
  });
}

/** Return the cell to restore. If it is not the one that the page deleted, what its outputs contain does not run. */
function restored({ cell, content }: NotebookChange, target: Target): ChangeMessage['content'] {
  const deleted = target.deleted(cell);
  if (!content || (deleted && JSONExt.deepEqual(content as JSONObject, deleted as JSONObject)))
    return content;
  const metadata = Object.entries(content['metadata'] as JSONObject);
  return {
    ...content,
    metadata: Object.fromEntries(metadata.filter(([name]) => name !== 'trusted')),
  };
}

function edit({ sharedModel }: ICellModel, text: string): Outcome {
  const { from, to, inserted } = differenceOf(sharedModel.getSource(), text);
  inOneStep(sharedModel as Undoable, () => {
    sharedModel.transact(() => {
      sharedModel.updateSource(from, to, inserted);
    });
  });
  return { source: sharedModel.getSource() };
}

/** Return the part of a text whose replacement makes it another one. It splits no surrogate pair. */
export function differenceOf(
  before: string,
  after: string,
): { from: number; to: number; inserted: string } {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  if (isHighSurrogate(before, start - 1)) start--;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  if (end > 0 && isHighSurrogate(before, before.length - end - 1)) end--;
  return {
    from: start,
    to: before.length - end,
    inserted: after.slice(start, after.length - end),
  };
}

function isHighSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code < 0xdc00;
}

/** Make a change that undo takes back on its own: what was changed just before and after it are other steps. */
function inOneStep(shared: Undoable, change: () => void): void {
  const { undoManager } = shared;
  undoManager?.stopCapturing();
  change();
  undoManager?.stopCapturing();
}

interface Undoable {
  readonly undoManager?: { stopCapturing: () => void } | null;
}

/** Return the cell with this id. */
export function cellOf(model: INotebookModel, id: string): ICellModel | undefined {
  return [...model.cells].find((cell) => cell.id === id);
}
