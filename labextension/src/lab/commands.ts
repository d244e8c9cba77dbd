// The commands in the palette, in the menu of an answer and in the menu of a prompt cell. Each acts on the current notebook, and none runs code that a model wrote.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog } from '@jupyterlab/apputils';
import type { ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import {
  activateCell,
  handleInsertButtons,
  insertAndEditBelow,
  insertCode,
  promptCellOf,
} from './insert-cells';
import { CATALOGUE } from '../renderer/model-catalogue';
import type { OneTimeSettings } from '../protocol';
import { answerChanged, runOnce, stopAnswer } from './kernel-plugin';
import { offerToLoad } from './offer-to-load';
import { eachNotebook } from './open-notebooks';
import { codeBlocksOf, isPrompt, MAGIC, turnRecordOf } from './prompt-cell';
import { handleMenuButtons } from './turn-menu';
import { handleVersionRequests } from './versions';

interface Command {
  readonly label: string;
  /** Whether the command is enabled. If missing, it always is. */
  readonly isEnabled?: (notebook: Notebook, panel: NotebookPanel) => boolean;
  readonly run: (panel: NotebookPanel) => Promise<unknown>;
}

/** Whether running the cell sends a prompt: it is a prompt cell or has an answer, as `%minimax explain` has. */
function sendsPrompt(model: ICellModel): boolean {
  return isPrompt(model.sharedModel.getSource()) || turnRecordOf(model) !== null;
}

function canAskAgain({ activeCell }: Notebook, { sessionContext }: NotebookPanel): boolean {
  return activeCell !== null && sendsPrompt(activeCell.model) && !!sessionContext.session?.kernel;
}

/** Ask the active cell again: send its prompt even if the answer is recorded. */
async function askAgain(
  app: JupyterFrontEnd,
  panel: NotebookPanel,
  settings: OneTimeSettings = {},
): Promise<void> {
  const id = panel.content.activeCell?.model.id;
  if (id === undefined) return;
  await runOnce(panel, id, { replay: 'off', ...settings }, () =>
    app.commands.execute('notebook:run-cell'),
  );
}

/** Let the user choose a model, or type another name, and ask the active cell again with it. Its text is not changed. */
async function askAgainWithModel(
  app: JupyterFrontEnd,
  panel: NotebookPanel,
  texts: { readonly title: string; readonly label: string; readonly okLabel: string },
): Promise<void> {
  const cell = panel.content.activeCell;
  const current = cell && turnRecordOf(cell.model)?.['model'];
  const names = CATALOGUE.map(({ name }) => name);
  const { value } = await InputDialog.getItem({
    ...texts,
    items: names,
    current: names.find((name) => name !== current) ?? 0,
    editable: true,
  });
  const model = value?.trim();
  if (model && panel.content.activeCell === cell) await askAgain(app, panel, { model });
}

/** Return the first of `fork-1`, `fork-2`, … that no cell mentions. */
function unusedForkName({ model }: Notebook): string {
  const used = new Set<string>();
  for (const cell of model?.cells ?? [])
    for (const [name] of cell.sharedModel.getSource().matchAll(/\bfork-\d+\b/g)) used.add(name);
  for (let number = 1; ; number++) if (!used.has(`fork-${number}`)) return `fork-${number}`;
}

/** Insert the next code block of the answer in the active cell, or of the answer that the active cell comes from. */
async function insertNextCode(
  insertedCounts: WeakMap<object, number>,
  notebook: Notebook,
): Promise<void> {
  const promptCell = notebook.activeCell && promptCellOf(notebook.activeCell.model);
  const record = promptCell && turnRecordOf(promptCell);
  if (!record) return;
  const codes = codeBlocksOf(record);
  const count = insertedCounts.get(promptCell) ?? 0;
  const code = codes[count % codes.length];
  if (code === undefined) return;
  insertedCounts.set(promptCell, count + 1);
  await activateCell(notebook, insertCode(notebook, promptCell, code));
}

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  palette: ICommandPalette | null,
  translator: ITranslator | null,
): void {
  const trans = (translator ?? nullTranslator).load('mm_magics');
  /** How many code blocks of each prompt cell's answer were inserted. */
  const insertedCounts = new WeakMap<object, number>();
  const commands: Record<string, Command> = {
    'new-prompt-below': {
      label: trans.__('New Prompt Cell Below'),
      run: ({ content }) => insertAndEditBelow(content, `${MAGIC}\n`),
    },
    'ask-again': {
      label: trans.__('Ask Again'),
      isEnabled: canAskAgain,
      run: (panel) => askAgain(app, panel),
    },
    'ask-again-with-model': {
      label: trans.__('Ask Again with Another Model…'),
      isEnabled: canAskAgain,
      run: (panel) =>
        askAgainWithModel(app, panel, {
          title: trans.__('Ask again with another model'),
          label: trans.__('Model'),
          okLabel: trans.__('Ask'),
        }),
    },
    stop: {
      label: trans.__('Stop the Answer'),
      run: stopAnswer,
    },
    'fork-here': {
      label: trans.__('Fork the Conversation Here'),
      run: ({ content }) => {
        const name = unusedForkName(content);
        return insertAndEditBelow(content, `%minimax fork ${name}`, name);
      },
    },
    export: {
      label: trans.__('Export the Conversation'),
      run: ({ content }) =>
        insertAndEditBelow(content, '%minimax export conversation.md', 'conversation.md'),
    },
    'insert-code': {
      label: trans.__('Insert the Answer’s Code Below'),
      isEnabled: ({ activeCell }) =>
        activeCell !== null && !!turnRecordOf(promptCellOf(activeCell.model)),
      run: ({ content }) => insertNextCode(insertedCounts, content),
    },
  };
  for (const [name, { label, isEnabled, run }] of Object.entries(commands)) {
    const command = `mm-magics:${name}`;
    app.commands.addCommand(command, {
      label,
      // In the menu of a cell, only a prompt cell has these commands.
      isVisible: ({ promptsOnly }) => {
        if (promptsOnly !== true) return true;
        const clicked = app.contextMenuHitTest((node) => node.classList.contains('jp-Cell'));
        const cell = tracker.currentWidget?.content.widgets.find(({ node }) => node === clicked);
        return cell !== undefined && sendsPrompt(cell.model);
      },
      isEnabled: () => {
        const panel = tracker.currentWidget;
        return (
          panel !== null &&
          panel === app.shell.currentWidget &&
          (isEnabled?.(panel.content, panel) ?? true)
        );
      },
      execute: () => (tracker.currentWidget ? run(tracker.currentWidget) : undefined),
    });
    palette?.addItem({ command, category: trans.__('MiniMax') });
  }
  offerToLoad(tracker, trans);
  eachNotebook(tracker, (panel) => {
    handleInsertButtons(panel.content);
    handleVersionRequests(panel.content, () => {
      answerChanged(panel);
    });
    handleMenuButtons(panel.content, app.commands);
  });
}

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:commands',
  description: 'Commands for MiniMax prompt cells, and buttons that insert code from answers.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate,
};
