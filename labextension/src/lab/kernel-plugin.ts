// The plugin that connects each notebook to its kernel: it describes the notebook before a cell runs, shows the kernel's
// answers, and stops the running turn.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  INotebookTracker,
  NotebookActions,
  type Notebook,
  type NotebookPanel,
} from '@jupyterlab/notebook';
import type { ICellModel } from '@jupyterlab/cells';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { JSONExt, type JSONObject } from '@lumino/coreutils';
import type { OneTimeSettings } from '../protocol';
import { enableCellLinks } from '../renderer/cell-links';
import { isRecord } from '../renderer/turn-state';
import { AnswerPlaces } from './answer-places';
import { KeptAnswers } from './kept-answers';
import { factsOf, receiveFacts } from './kernel-facts';
import { KernelComms } from './kernel-comms';
import { activateCell } from './insert-cells';
import { eachNotebook } from './open-notebooks';
import { runningTurnsOf } from './live-turns';
import { receiveChanges } from './open-changes';
import { isCodeCell, turnOutputOf } from './prompt-cell';
import { RunningCells } from './running-cells';
import { RunningTurns } from './running-turns';
import { TurnMarks } from './turn-marks';

const commsOf = new WeakMap<Notebook, KernelComms>();
const marksOf = new WeakMap<Notebook, TurnMarks>();

/** Show outputs that the kernel sent, by cell id: those of answers that the page missed or that it should replace. */
function restoreOutputs({ model }: Notebook, outputs: Record<string, unknown>): void {
  for (const cell of model?.cells ?? []) {
    const sent = outputs[cell.id];
    if (!isCodeCell(cell) || !isRecord(sent)) continue;
    const { more } = sent;
    const all = [sent, ...(Array.isArray(more) ? (more as unknown[]) : [])].filter(
      (each) => isRecord(each) && isRecord(each['data']) && isRecord(each['metadata']),
    ) as Record<string, JSONObject>[];
    const shown = all.map(({ data, metadata }) => ({
      output_type: 'display_data',
      data,
      metadata,
    }));
    const at = turnOutputOf(cell);
    const [first, ...others] = shown;
    if (!first) continue;
    const replacesOne = others.length === 0 && at >= 0;
    const present = cell.outputs.toJSON().map(({ data }) => data as JSONObject);
    const replaced = replacesOne ? present.slice(at, at + 1) : present;
    // Setting equal outputs would make the notebook count as changed.
    if (
      JSONExt.deepEqual(
        replaced,
        shown.map(({ data }) => data ?? {}),
      )
    )
      continue;
    if (replacesOne) cell.outputs.set(at, first);
    else cell.outputs.fromJSON(shown);
  }
}

/** Run a prompt cell, with settings for this run only. */
export async function runOnce(
  { content }: NotebookPanel,
  cellId: string,
  settings: OneTimeSettings,
  run: () => Promise<unknown>,
): Promise<void> {
  const comms = commsOf.get(content);
  await (comms ? comms.runOnce(cellId, settings, run) : run());
}

/** Whether an answer in the cell is stale, or the cell was edited since. */
export function isOutdated(notebook: Notebook, model: ICellModel): boolean {
  return marksOf.get(notebook)?.isOutdated(model) ?? false;
}

/** Whether a turn of the cell is pinned. */
export function isPinned(notebook: Notebook, model: ICellModel, turn: unknown): boolean {
  return marksOf.get(notebook)?.has('pinned', model, turn) ?? false;
}

/** Return what asks the kernel about the turns of a notebook. */
export function commsWith(notebook: Notebook): KernelComms | undefined {
  return commsOf.get(notebook);
}

/** Tell the kernel that an answer on the page was changed. */
export function answerChanged({ content }: NotebookPanel): void {
  commsOf.get(content)?.answerChanged();
}

/**
 * Stop the turn that streams into the selected cell, if the cell itself has ended, or else the turn that is running in
 * the notebook. Interrupt the kernel if it cannot be asked to stop that one.
 */
export async function stopAnswer({ content, sessionContext }: NotebookPanel): Promise<void> {
  const cell = content.activeCell?.model.id ?? '';
  if (!RunningCells.of(sessionContext).isRunning(cell)) {
    const inBackground = runningTurnsOf(cell, sessionContext.session?.kernel?.id);
    if (inBackground.length > 0) {
      await Promise.all(inBackground.map((turn) => turn.stop()));
      return;
    }
  }
  const comms = commsOf.get(content);
  await (comms ? comms.stop() : sessionContext.session?.kernel?.interrupt());
}

export const kernelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:kernel',
  description: 'Sends the order and the unsaved edits of the notebook, and Stop, to the kernel.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (_app, tracker: INotebookTracker, translator: ITranslator | null = null) => {
    const trans = (translator ?? nullTranslator).load('mm_magics');
    eachNotebook(tracker, (panel) => {
      const { content } = panel;
      const marks = new TurnMarks(content);
      marksOf.set(content, marks);
      const comms = new KernelComms(
        panel,
        ({ outputs, marks: newMarks, changes, settled, wants_cells: wanted, ...facts }) => {
          if (isRecord(outputs)) restoreOutputs(content, outputs);
          if (isRecord(newMarks)) marks.update(newMarks);
          receiveFacts(content.model, facts);
          receiveChanges(panel, changes, settled, trans);
          if (typeof wanted === 'string') comms.sendCells(wanted);
        },
      );
      commsOf.set(content, comms);
      if (content.model)
        Object.assign(factsOf(content.model), {
          ask: () => {
            comms.askForModels();
          },
          describe: () => {
            comms.settingsChanged();
          },
          rules: (forget?: string) => comms.standingRules(forget),
        });
      new AnswerPlaces(panel);
      new KeptAnswers(panel);
      new RunningTurns(panel);
    });
    enableCellLinks((from, cell) => {
      const panel = tracker.find(({ node }) => node.contains(from));
      const index = panel?.content.widgets.findIndex(({ model }) => model.id === cell) ?? -1;
      if (!panel || index < 0) return false;
      void activateCell(panel.content, index).then(() => {
        panel.content.activate();
      });
      return true;
    });
    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
      commsOf.get(notebook)?.cellScheduled(cell);
    });
    NotebookActions.executed.connect((_, { notebook, cell }) => {
      commsOf.get(notebook)?.cellExecuted(cell.model.id);
    });
  },
};
