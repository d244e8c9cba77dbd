// The buttons above the code of an answer: insert it in a new cell, run that cell too, or apply it to an existing one.
// Code runs only in a new cell that shows it, and only after a click on the button of exactly this code.
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { ICellModel } from '@jupyterlab/cells';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  CODE_EVENT,
  HOST_ACTIONS,
  type CodeAction,
  type CodeRequest,
} from '../renderer/markdown/decorate-html';
import { isRecord } from '../renderer/turn-state';
import { activateCell, insertCode } from './insert-cells';
import { cellAt } from './open-notebooks';

/** The names of the language that the kernel runs. */
const PYTHON = ['python', 'py', 'python3', 'ipython', 'ipython3'];

export function codeActions(trans: TranslationBundle): CodeAction[] {
  return [
    {
      name: 'insert',
      text: trans.__('Insert below'),
      done: trans.__('Inserted'),
      label: trans.__('Insert this code in a new cell below'),
    },
    {
      name: 'run',
      text: trans.__('Insert and run'),
      done: trans.__('Inserted'),
      label: trans.__('Insert this code in a new cell below and run it'),
      languages: PYTHON,
    },
    {
      name: 'apply',
      text: trans.__('Apply to cell…'),
      done: trans.__('Apply to cell…'),
      label: trans.__('Compare this code with a cell and replace it'),
    },
  ];
}

/** Show the buttons of streaming and saved answers in a notebook, and do what they request. */
export function handleCodeActions(
  notebook: Notebook,
  app: JupyterFrontEnd,
  trans: TranslationBundle,
  languages: IEditorLanguageRegistry | null,
): void {
  notebook.addClass(HOST_ACTIONS);
  notebook.node.addEventListener(CODE_EVENT, (event) => {
    const request = requestIn(event);
    const cell = event.target instanceof Node ? cellAt(notebook, event.target) : undefined;
    if (!request || !cell) return;
    const { name, code } = request;
    if (name === 'insert') insertCode(notebook, cell.model, code);
    if (name === 'run') void insertAndRun(notebook, app, cell.model, code);
    if (name === 'apply') void apply(notebook, cell.model, code, trans, languages);
  });
}

function requestIn(event: Event): CodeRequest | null {
  const detail: unknown = event instanceof CustomEvent ? event.detail : null;
  if (!isRecord(detail) || typeof detail['code'] !== 'string') return null;
  return detail as unknown as CodeRequest;
}

async function insertAndRun(
  notebook: Notebook,
  app: JupyterFrontEnd,
  promptCell: ICellModel,
  code: string,
): Promise<void> {
  const index = insertCode(notebook, promptCell, code);
  const inserted = notebook.widgets[index]?.model;
  await activateCell(notebook, index);
  // Only what was clicked on is run, whatever has happened to the notebook since.
  const active = notebook.activeCell?.model;
  if (!active || active !== inserted || active.sharedModel.getSource() !== code) return;
  await app.commands.execute('notebook:run-cell');
}

let isComparing = false;

/** Show the dialog, which is loaded when it is needed. */
async function apply(
  notebook: Notebook,
  promptCell: ICellModel,
  code: string,
  trans: TranslationBundle,
  languages: IEditorLanguageRegistry | null,
): Promise<void> {
  if (isComparing) return;
  isComparing = true;
  try {
    const { applyToCell } = await import('./apply-to-cell');
    await applyToCell(notebook, promptCell, code, trans, languages);
  } catch (error) {
    console.debug('mm_magics: the comparison could not be shown', error);
    Notification.error(
      trans.__('The comparison could not be shown. Insert the code below instead.'),
    );
  } finally {
    isComparing = false;
  }
}
