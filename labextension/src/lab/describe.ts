// The notebook as the kernel is told of it: the order of all cells, and those that changed since the last time.
// Always true: images and other rich outputs stay here; what was told and has not changed is not told again.
import type { INotebookModel } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { MIME_TYPE } from './prompt';

const KEPT = [MIME_TYPE, 'text/plain', 'text/markdown'];

export interface Described {
  readonly message: { order: string[]; changed: JSONObject; settings: JSONObject; sent_at: number };
  readonly sent: Map<string, string>;
}

export function describe(model: INotebookModel, before: ReadonlyMap<string, string>): Described {
  const order: string[] = [];
  const changed: JSONObject = {};
  const sent = new Map<string, string>();
  for (const cell of model.cells) {
    const reduced = reduceCell(cell.toJSON() as unknown as JSONObject);
    const text = JSON.stringify(reduced);
    order.push(cell.id);
    sent.set(cell.id, text);
    if (before.get(cell.id) !== text) changed[cell.id] = reduced;
  }
  const settings = (model.getMetadata('minimax') ?? {}) as JSONObject;
  return { message: { order, changed, settings, sent_at: Date.now() / 1000 }, sent };
}

function reduceCell(cell: JSONObject): JSONObject {
  const outputs = Array.isArray(cell['outputs'])
    ? (cell['outputs'] as JSONObject[]).map(reduceOutput)
    : [];
  return { cell_type: cell['cell_type'] ?? 'code', source: cell['source'] ?? '', outputs };
}

function reduceOutput(output: JSONObject): JSONObject {
  const data = output['data'] as JSONObject | undefined;
  if (data === undefined) return output;
  const kept = Object.fromEntries(
    KEPT.filter((name) => name in data).map((name) => [name, data[name] ?? null]),
  );
  return { output_type: output['output_type'] ?? 'display_data', data: kept };
}
