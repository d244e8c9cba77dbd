// The models that the endpoint of a notebook's kernel offers, once the kernel knows them.
import type { INotebookModel } from '@jupyterlab/notebook';

interface Offered {
  names?: readonly string[];
  /** Asks the kernel for the models. */
  ask?: () => void;
  /** Called when the names arrive. */
  onChange?: () => void;
}

const known = new WeakMap<INotebookModel, Offered>();

function offered(model: INotebookModel): Offered {
  const found = known.get(model) ?? {};
  known.set(model, found);
  return found;
}

/** Remember what the kernel sent. */
export function setOffered(model: INotebookModel | null, names: unknown): void {
  if (!model || !Array.isArray(names)) return;
  const found = offered(model);
  found.names = names.filter((name): name is string => typeof name === 'string');
  found.onChange?.();
}

/** Register what asks the kernel of a notebook for the models. */
export function onAskOffered(model: INotebookModel | null, ask: () => void): void {
  if (model) offered(model).ask = ask;
}

/** Return the names of the models, or undefined if they are not known. */
export function offeredBy(model: INotebookModel): readonly string[] | undefined {
  return offered(model).names;
}

/** Ask the kernel for the models if they are not known. `onChange` is called whenever the kernel sends them. */
export function askOffered(model: INotebookModel, onChange: () => void): void {
  const found = offered(model);
  found.onChange = onChange;
  if (!found.names) found.ask?.();
}
