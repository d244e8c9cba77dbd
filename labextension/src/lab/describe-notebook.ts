// Describes a notebook for the kernel: each cell reduced to what the conversation needs.
// Outputs are sent in the formats that a model can read, unless they are large. An unchanged cell is not serialized again.
import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { MIME_TYPE, type CellDescription } from '../protocol';
import { isCodeCell } from './prompt-cell';

const TURN_TYPES = [MIME_TYPE, 'text/plain', 'text/markdown'];
const SENT_TYPES = [
  'text/plain',
  'text/markdown',
  'text/html',
  'text/latex',
  'text/csv',
  'application/json',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
];
/** Characters of one format of an output, at most. */
const MAX_FORMAT = 1_000_000;

interface DescribedCell {
  readonly cell: CellDescription;
  /** The cell as JSON, to compare it with the version that was sent before. */
  readonly json: string;
}

export class NotebookDescriber {
  private readonly cache = new WeakMap<ICellModel, DescribedCell>();
  private readonly watched = new WeakSet<ICellModel>();

  /** Return the cells of the notebook by id, in order. */
  describe(model: INotebookModel): Map<string, DescribedCell> {
    return new Map([...model.cells].map((cell) => [cell.id, this.describeCell(cell)]));
  }

  private describeCell(model: ICellModel): DescribedCell {
    if (!this.watched.has(model)) {
      this.watched.add(model);
      model.contentChanged.connect(() => this.cache.delete(model));
    }
    const cached = this.cache.get(model);
    // A stream output grows without a signal from its cell.
    if (cached && !hasStreamOutput(model)) return cached;
    const source = model.sharedModel.getSource();
    const attachments = attachmentsOf(model);
    const cell = {
      cell_type: model.type,
      source,
      outputs: reducedOutputs(model),
      ...(attachments ? { attachments } : {}),
    };
    const described = { cell, json: JSON.stringify(cell) };
    this.cache.set(model, described);
    return described;
  }
}

function attachmentsOf(cell: ICellModel): JSONObject | undefined {
  return cell.type === 'markdown'
    ? (cell.sharedModel.toJSON() as { attachments?: JSONObject }).attachments
    : undefined;
}

function hasStreamOutput(cell: ICellModel): boolean {
  if (!isCodeCell(cell)) return false;
  for (let at = 0; at < cell.outputs.length; at++)
    if (cell.outputs.get(at).type === 'stream') return true;
  return false;
}

function reducedFormats(data: JSONObject): JSONObject {
  const isTurn = MIME_TYPE in data;
  const sent = (isTurn ? TURN_TYPES : SENT_TYPES)
    .filter((name) => name in data)
    .map((name) => [name, data[name]] as const)
    .filter(([, value]) => isTurn || sizeOf(value) <= MAX_FORMAT);
  return Object.fromEntries(sent) as JSONObject;
}

function sizeOf(value: unknown): number {
  return (typeof value === 'string' ? value : JSON.stringify(value)).length;
}

/** Return the outputs of a cell, without large ones and formats that a model cannot read. */
export function reducedOutputs(cell: ICellModel): JSONObject[] {
  const outputs: JSONObject[] = [];
  if (isCodeCell(cell))
    for (let at = 0; at < cell.outputs.length; at++) {
      const { type, data } = cell.outputs.get(at);
      if (type === 'display_data' || type === 'execute_result') {
        outputs.push({ output_type: type, data: reducedFormats(data as JSONObject) });
      } else {
        outputs.push(cell.outputs.get(at).toJSON() as JSONObject);
      }
    }
  return outputs;
}
