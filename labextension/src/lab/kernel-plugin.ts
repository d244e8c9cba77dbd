// Tells each notebook's kernel how the notebook stands before a cell runs, shows what the kernel answers, and knows the
// way to Stop.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  INotebookTracker,
  NotebookActions,
  type Notebook,
  type NotebookPanel,
} from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { isRecord } from '../renderer/turn-state';
import { KernelLine } from './kernel-comms';
import { Marks } from './turn-marks';
import { eachNotebook } from './open-notebooks';
import { isCode } from './prompt-cell';

const lines = new WeakMap<Notebook, KernelLine>();

/** Let cells, by their ids, show these outputs, which came while no page was there to take them. */
function putOutputs({ model }: Notebook, outputs: Record<string, unknown>): void {
  for (const cell of model?.cells ?? []) {
    const output = outputs[cell.id];
    if (!isCode(cell) || !isRecord(output)) continue;
    const { data, metadata } = output as Record<string, Record<string, JSONObject>>;
    if (data && metadata) cell.outputs.fromJSON([{ output_type: 'display_data', data, metadata }]);
  }
}

/** Stop the answer that runs in the notebook, if need be by interrupting its kernel. */
export async function stopAnswer({ content, sessionContext }: NotebookPanel): Promise<void> {
  const line = lines.get(content);
  await (line ? line.stop() : sessionContext.session?.kernel?.interrupt());
}

export const kernelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:kernel',
  description: 'Tells the kernel the order and the unsaved edits of the notebook, and Stop.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, tracker: INotebookTracker) => {
    eachNotebook(tracker, (panel) => {
      const { content } = panel;
      const marks = new Marks(content);
      const line = new KernelLine(panel, (answer) => {
        if (isRecord(answer['outputs'])) putOutputs(content, answer['outputs']);
        if (isRecord(answer['marks'])) marks.take(answer['marks']);
      });
      lines.set(content, line);
    });
    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
      lines.get(notebook)?.begin(cell.model.id, cell.model.sharedModel.getSource());
    });
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      lines.get(notebook)?.end(cell.model.id);
    });
  },
};
