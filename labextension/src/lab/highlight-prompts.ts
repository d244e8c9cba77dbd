// Highlights prompt cells as Markdown while the user types.
// Every other cell keeps the language of the notebook.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { eachNotebook } from './open-notebooks';
import { isCodeCell, isPrompt } from './prompt-cell';

const MARKDOWN = 'text/x-ipythongfm';

/** Set the language of each cell, now and after each change. Return a function that checks all cells again. */
function highlightPrompts(panel: NotebookPanel, enabled: () => boolean): () => void {
  const watched = new WeakSet<ICellModel>();

  const checkCell = (model: ICellModel): void => {
    if (!isCodeCell(model)) return;
    const isMarkdown = enabled() && isPrompt(model.sharedModel.getSource());
    if (isMarkdown && model.mimeType !== MARKDOWN) model.mimeType = MARKDOWN;
    if (!isMarkdown && model.mimeType === MARKDOWN) model.mimeType = panel.content.codeMimetype;
  };
  const check = (cells: Iterable<ICellModel>): void => {
    for (const model of cells) {
      if (!watched.has(model)) {
        watched.add(model);
        model.contentChanged.connect(checkCell);
        model.mimeTypeChanged.connect(() => {
          checkCell(model);
        });
      }
      checkCell(model);
    }
  };
  const checkAll = (): void => {
    check(panel.content.model?.cells ?? []);
  };
  panel.content.model?.cells.changed.connect((_, { newValues }) => {
    check(newValues);
  });
  checkAll();
  return checkAll;
}

export const highlightPlugin: JupyterFrontEndPlugin<void> = {
  id: 'mm-magics:highlight',
  description: 'Highlights MiniMax prompt cells as Markdown.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ISettingRegistry],
  activate: (_app, tracker: INotebookTracker, settings: ISettingRegistry | null) => {
    let enabled = true;
    const checks = new Set<() => void>();
    eachNotebook(tracker, (panel) => {
      const check = highlightPrompts(panel, () => enabled);
      checks.add(check);
      panel.disposed.connect(() => checks.delete(check));
    });
    settings?.load(highlightPlugin.id).then(
      (loaded) => {
        const apply = (): void => {
          enabled = loaded.get('enabled').composite !== false;
          for (const check of checks) check();
        };
        loaded.changed.connect(apply);
        apply();
      },
      (error: unknown) => {
        console.debug('mm_magics: the settings of the extension could not be loaded', error);
      },
    );
  },
};
