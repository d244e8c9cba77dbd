// The models that the endpoint of a notebook's kernel offers, once the kernel knows them.
import type { INotebookModel } from '@jupyterlab/notebook';

const offered = new WeakMap<INotebookModel, readonly string[]>();

/** Remember what the kernel sent. */
export function setOffered(model: INotebookModel | null, names: unknown): void {
  if (model && Array.isArray(names))
    offered.set(
      model,
      names.filter((name): name is string => typeof name === 'string'),
    );
}

/** Return the names of the models, or undefined if they are not known. */
export function offeredBy(model: INotebookModel): readonly string[] | undefined {
  return offered.get(model);
}
