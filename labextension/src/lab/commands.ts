// The commands of the palette: each acts on the notebook in front, and none runs what a model wrote.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import { NotebookActions, type INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { KernelLine } from './comms';
import { codeOf, isPrompt, MAGIC, recordOf } from './prompt';

export interface Commands {
  readonly app: JupyterFrontEnd;
  readonly tracker: INotebookTracker;
  readonly palette: ICommandPalette | null;
  readonly trans: TranslationBundle;
  readonly lines: WeakMap<object, KernelLine>;
}

export function addCommands({ app, tracker, palette, trans, lines }: Commands): void {
  const inNotebook = (): boolean =>
    tracker.currentWidget !== null && tracker.currentWidget === app.shell.currentWidget;
  const activeRecord = (): Record<string, unknown> | null =>
    tracker.activeCell ? recordOf(tracker.activeCell.model) : null;

  const insertBelow = async (source: string, edit: boolean): Promise<void> => {
    const panel = tracker.currentWidget;
    if (!panel) return;
    NotebookActions.insertBelow(panel.content);
    const cell = panel.content.activeCell;
    cell?.model.sharedModel.setSource(source);
    panel.content.mode = edit ? 'edit' : 'command';
    if (!edit || !cell) return;
    await cell.ready;
    cell.editor?.setCursorPosition(endOf(source));
    cell.editor?.focus();
  };

  const inserted = new WeakMap<object, number>();
  const commands: Record<
    string,
    { label: string; execute: () => unknown; isEnabled?: () => boolean }
  > = {
    'new-prompt-below': {
      label: trans.__('New Prompt Cell Below'),
      execute: () => insertBelow(`${MAGIC}\n`, true),
    },
    'ask-again': {
      label: trans.__('Ask Again'),
      isEnabled: () =>
        inNotebook() && isPrompt(tracker.activeCell?.model.sharedModel.getSource() ?? ''),
      execute: () => app.commands.execute('notebook:run-cell'),
    },
    stop: {
      label: trans.__('Stop the Answer'),
      execute: () => {
        const panel = tracker.currentWidget;
        if (panel && lines.get(panel)?.stop() !== true)
          return panel.sessionContext.session?.kernel?.interrupt();
        return undefined;
      },
    },
    'fork-here': {
      label: trans.__('Fork the Conversation Here'),
      execute: () => insertBelow('%minimax fork another', true),
    },
    export: {
      label: trans.__('Export the Conversation'),
      execute: () => insertBelow('%minimax export conversation.md', true),
    },
    'insert-code': {
      label: trans.__('Insert the Answer’s Code Below'),
      isEnabled: () => inNotebook() && codeOf(activeRecord() ?? {}).length > 0,
      execute: () => {
        const cell = tracker.activeCell;
        const record = activeRecord();
        if (!cell || !record) return undefined;
        const codes = codeOf(record);
        const at = inserted.get(cell.model) ?? 0;
        inserted.set(cell.model, at + 1);
        return insertBelow(codes[at % codes.length] ?? '', false);
      },
    },
  };
  for (const [name, { label, execute, isEnabled }] of Object.entries(commands)) {
    const command = `mm-magics:${name}`;
    app.commands.addCommand(command, { label, execute, isEnabled: isEnabled ?? inNotebook });
    palette?.addItem({ command, category: trans.__('MiniMax') });
  }
}

function endOf(source: string): { line: number; column: number } {
  const lines = source.split('\n');
  return { line: lines.length - 1, column: lines.at(-1)?.length ?? 0 };
}
