// Prompt cells as Markdown, live while one types.
// Always true: a cell that is no prompt cell (any more) has the language that the notebook gives it.
import type { ICellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { isCode, isPrompt } from './prompt';

const MARKDOWN = 'text/x-ipythongfm';

export function highlightPrompts(panel: NotebookPanel, enabled: () => boolean): () => void {
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
