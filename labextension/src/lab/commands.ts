// The commands of the palette: each acts on the notebook in front, and none runs what a model wrote.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import type { ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { editBelow, insertCode, originOf, serveInsertButtons, show } from './insert-cells';
import { stopAnswer } from './kernel-plugin';
import { eachNotebook } from './open-notebooks';
import { codeOf, isPrompt, MAGIC, recordOf } from './prompt-cell';

interface Command {
  readonly label: string;
  /** Whether it makes sense here; always, if left out. */
  readonly suits?: (notebook: Notebook) => boolean;
  readonly run: (panel: NotebookPanel) => Promise<unknown>;
}

/** Whether running the cell asks a model: it is a prompt cell, or did so before (`%minimax explain`). */
function asks(model: ICellModel): boolean {
  return isPrompt(model.sharedModel.getSource()) || recordOf(model) !== null;
}

/** The first of `fork-1`, `fork-2`, … that the notebook does not speak of yet. */
function proposedFork({ model }: Notebook): string {
  const text = [...(model?.cells ?? [])].map((cell) => cell.sharedModel.getSource());
  for (let number = 1; ; number++) {
    const name = `fork-${number}`;
    if (!text.some((source) => new RegExp(`\\b${name}\\b`).test(source))) return name;
  }
}

/** Insert the code block that comes after the one given last, of the active cell's turn or of that it came from. */
async function insertNext(given: WeakMap<object, number>, notebook: Notebook): Promise<void> {
  const origin = notebook.activeCell && originOf(notebook.activeCell.model);
  const record = origin && recordOf(origin);
  if (!record) return;
  const codes = codeOf(record);
  const at = given.get(origin) ?? 0;
  const code = codes[at % codes.length];
  if (code === undefined) return;
  given.set(origin, at + 1);
  await show(notebook, insertCode(notebook, origin, code));
}

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  palette: ICommandPalette | null,
  translator: ITranslator | null,
): void {
  const trans = (translator ?? nullTranslator).load('mm_magics');
  const given = new WeakMap<object, number>();
  const commands: Record<string, Command> = {
    'new-prompt-below': {
      label: trans.__('New Prompt Cell Below'),
      run: ({ content }) => editBelow(content, `${MAGIC}\n`),
    },
    'ask-again': {
      label: trans.__('Ask Again'),
      suits: ({ activeCell }) => activeCell !== null && asks(activeCell.model),
      run: () => app.commands.execute('notebook:run-cell'),
    },
    stop: {
      label: trans.__('Stop the Answer'),
      run: stopAnswer,
    },
    'fork-here': {
      label: trans.__('Fork the Conversation Here'),
      run: ({ content }) => {
        const name = proposedFork(content);
        return editBelow(content, `%minimax fork ${name}`, name);
      },
    },
    export: {
      label: trans.__('Export the Conversation'),
      run: ({ content }) =>
        editBelow(content, '%minimax export conversation.md', 'conversation.md'),
    },
    'insert-code': {
      label: trans.__('Insert the Answer’s Code Below'),
      suits: ({ activeCell }) => activeCell !== null && !!recordOf(originOf(activeCell.model)),
      run: ({ content }) => insertNext(given, content),
    },
  };
  for (const [name, { label, suits, run }] of Object.entries(commands)) {
    const command = `mm-magics:${name}`;
    app.commands.addCommand(command, {
      label,
      isEnabled: () => {
        const panel = tracker.currentWidget;
        return (
          panel !== null && panel === app.shell.currentWidget && (suits?.(panel.content) ?? true)
        );
      },
      execute: () => (tracker.currentWidget ? run(tracker.currentWidget) : undefined),
    });
    palette?.addItem({ command, category: trans.__('MiniMax') });
  }
  eachNotebook(tracker, ({ content }) => {
    serveInsertButtons(content);
  });
}

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:commands',
  description: 'Commands for MiniMax prompt cells, and the buttons that insert code.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate,
};
