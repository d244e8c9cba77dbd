// Every notebook that is open or will be.
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

/** Call `adopt` with each notebook once its content has been read. */
export function eachNotebook(
  tracker: INotebookTracker,
  adopt: (panel: NotebookPanel) => void,
): void {
  const wait = (panel: NotebookPanel): void => {
    panel.context.ready.then(
      () => {
        if (!panel.isDisposed) adopt(panel);
      },
      (error: unknown) => {
        console.debug('mm_magics: a notebook could not be read', error);
      },
    );
  };
  tracker.forEach(wait);
  tracker.widgetAdded.connect((_, panel) => {
    wait(panel);
  });
}
