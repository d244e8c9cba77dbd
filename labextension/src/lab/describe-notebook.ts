// The notebook as the kernel is told of it: each cell reduced to what the conversation needs.
// Always true: images and other rich outputs stay here; a cell that has not changed is not worked out again.
import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { isCode, MIME_TYPE } from './prompt-cell';

const KEPT = [MIME_TYPE, 'text/plain', 'text/markdown'];

/** A reduced cell in the notebook format, and the JSON of it, by which changes are told. */
interface Known {
  readonly source: string;
  readonly reduced: JSONObject;
  readonly text: string;
}

export class Describer {
  private readonly known = new WeakMap<ICellModel, Known>();
  private readonly watched = new WeakSet<ICellModel>();

  /** The cells of the notebook, in order. */
  cells(model: INotebookModel): Map<string, Known> {
    return new Map([...model.cells].map((cell) => [cell.id, this.look(cell)]));
  }

  private look(cell: ICellModel): Known {
    if (!this.watched.has(cell)) {
      this.watched.add(cell);
      cell.contentChanged.connect(() => this.known.delete(cell));
    }
    const before = this.known.get(cell);
    // A stream grows without a signal of the cell's.
    if (before && !hasStream(cell)) return before;
    const source = cell.sharedModel.getSource();
    const reduced = { cell_type: cell.type, source, outputs: reduceOutputs(cell) };
    const known = { source, reduced, text: JSON.stringify(reduced) };
    this.known.set(cell, known);
    return known;
  }
}

function hasStream(cell: ICellModel): boolean {
  if (!isCode(cell)) return false;
  for (let at = 0; at < cell.outputs.length; at++)
    if (cell.outputs.get(at).type === 'stream') return true;
  return false;
}

function reduceOutputs(cell: ICellModel): JSONObject[] {
  const outputs: JSONObject[] = [];
  if (isCode(cell))
    for (let at = 0; at < cell.outputs.length; at++) {
      const { type, data } = cell.outputs.get(at);
      if (type === 'display_data' || type === 'execute_result') {
        const kept = KEPT.filter((name) => name in data).map((name) => [name, data[name]]);
        outputs.push({ output_type: type, data: Object.fromEntries(kept) as JSONObject });
      } else {
        outputs.push(cell.outputs.get(at).toJSON() as JSONObject);
      }
    }
  return outputs;
}
