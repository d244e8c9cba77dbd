// The plugin that connects each notebook to its kernel: it describes the notebook before a cell runs, shows the kernel's
// answers, and stops the running turn.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  INotebookTracker,
  NotebookActions,
  type Notebook,
  type NotebookPanel,
} from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { isRecord } from '../renderer/turn-state';
import { AnswerPlaces } from './answer-places';
import { KernelComms } from './kernel-comms';
import { eachNotebook } from './open-notebooks';
import { isCodeCell } from './prompt-cell';
import { RunningTurns } from './running-turns';
import { TurnMarks } from './turn-marks';

const commsOf = new WeakMap<Notebook, KernelComms>();

/** Show outputs, by cell id, that the kernel sent while no page was open. */
function restoreOutputs({ model }: Notebook, outputs: Record<string, unknown>): void {
  for (const cell of model?.cells ?? []) {
    const output = outputs[cell.id];
    if (!isCodeCell(cell) || !isRecord(output)) continue;
    const { data, metadata } = output as Record<string, Record<string, JSONObject>>;
    if (data && metadata) cell.outputs.fromJSON([{ output_type: 'display_data', data, metadata }]);
  }
}

/** Stop the turn that is running in the notebook. Interrupt the kernel if it cannot be asked to stop. */
export async function stopAnswer({ content, sessionContext }: NotebookPanel): Promise<void> {
  const comms = commsOf.get(content);
  await (comms ? comms.stop() : sessionContext.session?.kernel?.interrupt());
}

export const kernelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:kernel',
  description: 'Sends the order and the unsaved edits of the notebook, and Stop, to the kernel.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app, tracker: INotebookTracker) => {
    eachNotebook(tracker, (panel) => {
      const { content } = panel;
      const marks = new TurnMarks(content);
      const comms = new KernelComms(panel, ({ outputs, marks: newMarks }) => {
        if (isRecord(outputs)) restoreOutputs(content, outputs);
        if (isRecord(newMarks)) marks.update(newMarks);
      });
      commsOf.set(content, comms);
      new AnswerPlaces(panel);
      new RunningTurns(panel);
    });
    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
      commsOf.get(notebook)?.cellScheduled(cell);
    });
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      commsOf.get(notebook)?.cellExecuted(cell.model.id);
    });
  },
};
