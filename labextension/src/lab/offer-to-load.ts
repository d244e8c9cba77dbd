// Offers to load mm_magics when a prompt cell fails because the kernel does not know `%%minimax`.
// Only a click inserts and runs the cell that loads it; the prompt runs after it.
import { Notification } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import {
  INotebookTracker,
  NotebookActions,
  type Notebook,
  type NotebookPanel,
} from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

const LOAD = '%load_ext mm_magics';
const NOT_FOUND = /`%{1,2}minimax`/;

/** Insert a cell that loads mm_magics above all others, and run it and then the prompt. */
async function loadAndRun({ content, sessionContext }: NotebookPanel, prompt: Cell): Promise<void> {
  content.model?.sharedModel.insertCell(0, { cell_type: 'code', source: LOAD });
  const [first] = content.widgets;
  if (!first) return;
  if (await NotebookActions.runCells(content, [first], sessionContext))
    await NotebookActions.runCells(content, [prompt], sessionContext);
}

/** Offer to load mm_magics once per notebook that is open. */
export function offerToLoad(tracker: INotebookTracker, trans: TranslationBundle): void {
  const offered = new WeakSet<Notebook>();
  NotebookActions.executed.connect((_, { notebook, cell, success, error }) => {
    if (success || error?.errorName !== 'UsageError' || !NOT_FOUND.test(error.errorValue)) return;
    const panel = tracker.find(({ content }) => content === notebook);
    if (!panel || offered.has(notebook)) return;
    offered.add(notebook);
    Notification.info(trans.__('The kernel of this notebook has not loaded mm_magics.'), {
      autoClose: false,
      actions: [
        {
          label: trans.__('Load and run the prompt'),
          displayType: 'accent',
          callback: () => {
            void loadAndRun(panel, cell);
          },
        },
      ],
    });
  });
}
