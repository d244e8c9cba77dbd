// Finds every notebook that is open now or is opened later, and the cells in it.
import type { Cell } from '@jupyterlab/cells';
import type { INotebookTracker, Notebook, NotebookPanel } from '@jupyterlab/notebook';

/** The cells by their nodes, as far as they were looked for. */
const cells = new WeakMap<Node, Cell>();

/** Return the cell of the notebook that contains the node. All cells are looked at only if it is a new one. */
export function cellAt(notebook: Notebook, target: Node): Cell | undefined {
  const node = target instanceof Element ? target.closest('.jp-Cell') : null;
  if (!node) return undefined;
  if (!cells.has(node)) for (const cell of notebook.widgets) cells.set(cell.node, cell);
  return cells.get(node);
}

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
