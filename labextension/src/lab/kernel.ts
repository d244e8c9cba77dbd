// Tells each notebook's kernel how the notebook stands before a cell runs, and knows the way to Stop.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  INotebookTracker,
  NotebookActions,
  type Notebook,
  type NotebookPanel,
} from '@jupyterlab/notebook';
import { KernelLine } from './comms';
import { eachNotebook } from './panels';

const lines = new WeakMap<Notebook, KernelLine>();

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
      lines.set(panel.content, new KernelLine(panel));
    });
    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
      lines.get(notebook)?.begin(cell.model.id, cell.model.sharedModel.getSource());
    });
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      lines.get(notebook)?.end(cell.model.id);
    });
  },
};
