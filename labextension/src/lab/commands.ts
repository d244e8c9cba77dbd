// The commands in the palette, in the menu of an answer and in the menu of a prompt cell. Each acts on the current notebook, and none runs code
// that a model wrote.
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { isCollapsed, isLong, toggle } from './collapse';
import { handleCodeActions } from './code-actions';
import { activateCell, insertAndEditBelow, insertCode, promptCellOf } from './insert-cells';
import { activeTurn, copyAnswer, downloadAnswer, neighbor, showNeighbor } from './answer-actions';
import {
  askAgain,
  askAgainWithModel,
  askOutdatedBelow,
  canAskAgain,
  outdatedBelow,
  sendsPrompt,
} from './ask-again';
import { answerChanged, stopAnswer } from './kernel-plugin';
import { confirmMany } from './mark-dialog';
import { canBeEdited, editCell, isLoaded, offerToFix } from './fix-and-edit';
import { changesOf } from './open-changes';
import type { Decision } from './changes/change-bar';
import { offerToLoad } from './offer-to-load';
import { eachNotebook } from './open-notebooks';
import { codeBlocksOf, MAGIC, turnRecordOf } from './prompt-cell';
import { isRecord } from '../renderer/turn-state';
import { editSummary, isPinnedTurn, showRequest, togglePin } from './request-dialog';
import { restoreFocus } from './restore-focus';
import { handleControls } from './turn-menu';
import { handleVersionRequests } from './versions';

interface Command {
  readonly label: string | ((notebook: Notebook | null, turn?: unknown) => string);
  /** Whether the command is enabled. If missing, it always is. `turn` is the id of a turn of the active cell. */
  readonly isEnabled?: (notebook: Notebook, panel: NotebookPanel, turn?: unknown) => boolean;
  readonly run: (panel: NotebookPanel, turn?: unknown, confirmed?: unknown) => unknown;
}

/** A command that acts on an answer: it is enabled where there is one. */
function onAnswer(
  label: Command['label'],
  run: (record: Readonly<Record<string, unknown>>, panel: NotebookPanel) => unknown,
): Command {
  return {
    label,
    isEnabled: (notebook, _panel, turn) => activeTurn(notebook, turn) !== null,
    run: (panel, turn) => {
      const record = activeTurn(panel.content, turn);
      return record && run(record, panel);
    },
  };
}

/** A command that shows the version before or after the one that is shown. */
function toVersion(label: string, step: number): Command {
  return {
    ...onAnswer(label, (record, panel) => {
      if (showNeighbor(panel.content, record, step)) answerChanged(panel);
    }),
    isEnabled: (notebook, _panel, turn) => neighbor(activeTurn(notebook, turn), step) !== null,
  };
}

/** Whether a turn was answered with a summary of earlier turns. */
function hasSummary(record: Readonly<Record<string, unknown>> | null): boolean {
  const compacted: unknown = record?.['compacted'];
  return isRecord(compacted) && Boolean(compacted['summary']);
}

/** A command that decides about the change that a model proposes at the active cell, or about all of its turn. */
function decides(label: string, decision: Decision): Command {
  return {
    label,
    isEnabled: (notebook) => changesOf(notebook)?.isActive === true,
    run: ({ content }) => {
      changesOf(content)?.decideActive(decision);
    },
  };
}

/** Return the answers in the active cell that are long or collapsed. */
function longTurns({ activeCell }: Notebook): Element[] {
  const turns = activeCell?.node.querySelectorAll('.mm-rendered > .mm-turn') ?? [];
  return [...turns].filter((turn) => isLong(turn) || isCollapsed(turn));
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
  languages: IEditorLanguageRegistry | null = null,
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
    'ask-stale-below': {
      label: trans.__('Ask All Stale Answers Below'),
      isEnabled: (notebook, { sessionContext }) =>
        !!sessionContext.session?.kernel && outdatedBelow(notebook).length > 0,
      run: async ({ content }, _turn, confirmed) => {
        const { length } = outdatedBelow(content);
        if (length < 2 || confirmed === true || (await confirmMany(length, trans)))
          await askOutdatedBelow(app, content);
      },
    },
    'copy-answer': onAnswer(trans.__('Copy the Answer as Markdown'), (record) =>
      copyAnswer(record, 'markdown', trans),
    ),
    'copy-answer-text': onAnswer(trans.__('Copy the Answer as Plain Text'), (record) =>
      copyAnswer(record, 'text', trans),
    ),
    'older-version': toVersion(trans.__('Show the Older Version'), -1),
    'newer-version': toVersion(trans.__('Show the Newer Version'), 1),
    'show-request': onAnswer(
      (notebook, turn) =>
        notebook && activeTurn(notebook, turn)
          ? trans.__('Show the Request…')
          : trans.__('Show the Request… (no answer yet)'),
      ({ id }, panel) => showRequest(panel, String(id), trans),
    ),
    pin: onAnswer(
      (notebook, turn) =>
        notebook && isPinnedTurn(notebook, activeTurn(notebook, turn)?.['id'])
          ? trans.__('Unpin: Allow a Summary of the Turn')
          : trans.__('Pin: Never Summarize the Turn'),
      ({ id }, panel) => togglePin(panel, String(id), trans),
    ),
    'edit-summary': {
      ...onAnswer(trans.__('Edit the Summary of Earlier Turns…'), ({ id }, panel) =>
        editSummary(panel, String(id), trans),
      ),
      isEnabled: (notebook, _panel, turn) => hasSummary(activeTurn(notebook, turn)),
    },
    'download-answer': onAnswer(trans.__('Download the Answer as Markdown'), downloadAnswer),
    collapse: {
      label: trans.__('Collapse the Answer or Show All of It'),
      isEnabled: (notebook) => longTurns(notebook).length > 0,
      run: ({ content }) => {
        for (const turn of longTurns(content)) toggle(turn);
      },
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
    'accept-change': decides(trans.__('Accept the Proposed Change'), 'accept'),
    'reject-change': decides(trans.__('Reject the Proposed Change'), 'reject'),
    'accept-all-changes': decides(
      trans.__('Accept All Proposed Changes of the Turn'),
      'accept-all',
    ),
    'reject-all-changes': decides(
      trans.__('Reject All Proposed Changes of the Turn'),
      'reject-all',
    ),
    'edit-cell': {
      label: trans.__('Edit with MiniMax…'),
      isEnabled: (notebook) =>
        isLoaded(notebook) &&
        notebook.activeCell !== null &&
        canBeEdited(notebook.activeCell.model),
      run: ({ content }) => content.activeCell && editCell(content, app, content.activeCell, trans),
    },
    'next-change': {
      label: trans.__('Go to the Next Proposed Change'),
      isEnabled: (notebook) => (changesOf(notebook)?.open.length ?? 0) > 0,
      run: ({ content }) => changesOf(content)?.goToNext(),
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
      label: ({ turn }) => {
        if (typeof label === 'string') return label;
        return label(tracker.currentWidget?.content ?? null, turn);
      },
      // In the menu of a cell, only a prompt cell has most of these commands, and only another cell the others.
      isVisible: ({ promptsOnly, editableOnly }) => {
        if (promptsOnly !== true && editableOnly !== true) return true;
        const clicked = app.contextMenuHitTest((node) => node.classList.contains('jp-Cell'));
        const cell = tracker.currentWidget?.content.widgets.find(({ node }) => node === clicked);
        const isShown = promptsOnly === true ? sendsPrompt : canBeEdited;
        return cell !== undefined && isShown(cell.model);
      },
      isEnabled: ({ turn }) => {
        const panel = tracker.currentWidget;
        return (
          panel !== null &&
          panel === app.shell.currentWidget &&
          (isEnabled?.(panel.content, panel, turn) ?? true)
        );
      },
      execute: ({ turn, confirmed }) =>
        tracker.currentWidget ? run(tracker.currentWidget, turn, confirmed) : undefined,
    });
    palette?.addItem({ command, category: trans.__('MiniMax') });
  }
  offerToLoad(tracker, trans);
  eachNotebook(tracker, (panel) => {
    handleCodeActions(panel.content, app, trans, languages);
    handleVersionRequests(panel.content, () => {
      answerChanged(panel);
    });
    handleControls(panel.content, app.commands, trans);
    restoreFocus(panel.content);
    offerToFix(panel.content, app, trans);
  });
}

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:commands',
  description: 'Commands for MiniMax prompt cells, and buttons that use code from answers.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator, IEditorLanguageRegistry],
  activate,
};
