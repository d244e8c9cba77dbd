// What the kernel of a notebook has sent: the models that its endpoint offers, and the effective settings.
import type { INotebookModel } from '@jupyterlab/notebook';
import type { EffectiveSettings } from '../picker/settings';
import type { StandingRule } from '../protocol';
import { isRecord } from '../renderer/turn-state';

interface Facts {
  models?: readonly string[];
  settings?: EffectiveSettings;
  /** Asks the kernel for both. */
  ask?: () => void;
  /** Asks the kernel for its rules about tool calls, after removing the one with this id. Null without an answer. */
  rules?: (forget?: string) => Promise<readonly StandingRule[] | null>;
  /** Called when they arrive. */
  onChange?: () => void;
}

const known = new WeakMap<INotebookModel, Facts>();

export function factsOf(model: INotebookModel): Facts {
  const found = known.get(model) ?? {};
  known.set(model, found);
  return found;
}

/** Remember what the kernel sent. */
export function receiveFacts(
  model: INotebookModel | null,
  sent: { readonly models?: unknown; readonly settings?: unknown },
): void {
  if (!model || (!Array.isArray(sent.models) && !isRecord(sent.settings))) return;
  const found = factsOf(model);
  if (Array.isArray(sent.models))
    found.models = sent.models.filter((name): name is string => typeof name === 'string');
  if (isRecord(sent.settings)) found.settings = effectiveSettings(sent.settings);
  found.onChange?.();
}

function effectiveSettings(sent: Readonly<Record<string, unknown>>): EffectiveSettings {
  const found: Record<string, { shown: string; source: string }> = {};
  for (const [name, value] of Object.entries(sent))
    if (isRecord(value) && typeof value['shown'] === 'string')
      found[name] = { shown: value['shown'], source: String(value['source']) };
  return found;
}

/** Ask the kernel for what it knows. `onChange` is called whenever the kernel sends it. */
export function askForFacts(model: INotebookModel, onChange: () => void): void {
  const found = factsOf(model);
  found.onChange = onChange;
  found.ask?.();
}
