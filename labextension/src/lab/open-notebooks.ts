// Finds every notebook that is open now or is opened later.
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

/** Call `visit` with each notebook once its content is loaded. */
export function eachNotebook(
  tracker: INotebookTracker,
  visit: (panel: NotebookPanel) => void,
): void {
  const visitWhenReady = (panel: NotebookPanel): void => {
    panel.context.ready.then(
      () => {
        if (!panel.isDisposed) visit(panel);
      },
      (error: unknown) => {
        console.debug('mm_magics: a notebook could not be loaded', error);
      },
    );
  };
  tracker.forEach(visitWhenReady);
  tracker.widgetAdded.connect((_, panel) => {
    visitWhenReady(panel);
  });
}
