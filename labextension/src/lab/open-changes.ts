// The changes of each open notebook that a model requests. The code that shows and makes them is loaded with the first one.
import type { INotebookModel, Notebook, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { NotebookChanges } from './changes/notebook-changes';
import { requestOf } from './page-request';

const opened = new WeakMap<Notebook, NotebookChanges>();
const loading = new WeakMap<Notebook, Promise<NotebookChanges>>();

/** Return the changes of a notebook if the kernel has sent any. */
export function changesOf(notebook: Notebook): NotebookChanges | undefined {
  return opened.get(notebook);
}

/** Show or make the changes that the kernel sent in a `DocumentAnswer`, and remove those that are settled. */
export function receiveChanges(
  panel: NotebookPanel,
  changes: unknown,
  settled: unknown,
  trans: TranslationBundle,
): void {
  const { model } = panel.content;
  const isNew = !loading.has(panel.content);
  if (!model || (changes === undefined && (settled === undefined || isNew))) return;
  const found = loading.get(panel.content) ?? load(panel, model, trans);
  loading.set(panel.content, found);
  found.then(
    (loaded) => {
      if (!panel.isDisposed) loaded.receive(changes, settled);
    },
    (error: unknown) => {
      console.debug('mm_magics: the changes could not be shown', error);
    },
  );
}

async function load(
  panel: NotebookPanel,
  model: INotebookModel,
  trans: TranslationBundle,
): Promise<NotebookChanges> {
  const { NotebookChanges } = await import('./changes/notebook-changes');
  const made = new NotebookChanges(
    panel,
    model,
    (message) => {
      void requestOf(panel.sessionContext.session?.kernel, { message });
    },
    trans,
  );
  opened.set(panel.content, made);
  return made;
}
