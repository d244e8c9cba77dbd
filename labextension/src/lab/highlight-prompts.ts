// Prompt cells as Markdown, live while one types.
// Always true: a cell that is no prompt cell (any more) has the language that the notebook gives it.
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { eachNotebook } from './open-notebooks';
import { isCode, isPrompt } from './prompt-cell';

const MARKDOWN = 'text/x-ipythongfm';

/** Keep the notebook's cells so; what is returned looks at all of them anew. */
function highlightPrompts(panel: NotebookPanel, enabled: () => boolean): () => void {
  const watched = new WeakSet<ICellModel>();

  const check = (model: ICellModel): void => {
    if (!isCode(model)) return;
    const wanted = enabled() && isPrompt(model.sharedModel.getSource());
    if (wanted && model.mimeType !== MARKDOWN) model.mimeType = MARKDOWN;
    if (!wanted && model.mimeType === MARKDOWN) model.mimeType = panel.content.codeMimetype;
  };
  const all = (): void => {
    const cells = panel.content.model?.cells;
    if (!cells) return;
    for (const model of cells) {
      if (!watched.has(model)) {
        watched.add(model);
        model.contentChanged.connect(check);
        model.mimeTypeChanged.connect(() => {
          check(model);
        });
      }
      check(model);
    }
  };
  panel.content.model?.cells.changed.connect(all);
  all();
  return all;
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
        console.debug('mm_magics: no settings', error);
      },
    );
  },
};
