// What the kernel of a notebook has sent: the models that its endpoint offers, prices, and the effective settings.
import type { INotebookModel } from '@jupyterlab/notebook';
import type { EffectiveSettings } from '../picker/settings';
import type { EffectiveSetting } from '../protocol';
import type { StandingRule } from '../protocol';
import { isRecord } from '../renderer/turn-state';

interface Facts {
  models?: readonly string[];
  prices?: Readonly<Record<string, readonly number[]>>;
  settings?: EffectiveSettings;
  /** How much of the window the conversation uses, such as "38 %", or ''. */
  context?: string;
  /** Asks the kernel for the models too, which it asks the endpoint for. */
  ask?: () => void;
  /** Tells the kernel that the notebook's settings have changed. */
  describe?: () => void;
  /** Asks the kernel for its rules about tool calls, after removing the one with this id. Null without an answer. */
  rules?: (forget?: string) => Promise<readonly StandingRule[] | null>;
  /** Called when facts arrive. */
  readonly listeners: Set<() => void>;
}

const known = new WeakMap<INotebookModel, Facts>();

export function factsOf(model: INotebookModel): Facts {
  const found = known.get(model) ?? { listeners: new Set() };
  known.set(model, found);
  return found;
}

/** Remember what the kernel sent. */
export function receiveFacts(
  model: INotebookModel | null,
  sent: Partial<Readonly<Record<'models' | 'prices' | 'settings' | 'context', unknown>>>,
): void {
  const { models, prices, settings, context } = sent;
  const isFact = Array.isArray(models) || [prices, settings].some(isRecord);
  if (!model || !(isFact || typeof context === 'string')) return;
  const found = factsOf(model);
  if (typeof context === 'string') found.context = context;
  if (Array.isArray(models))
    found.models = models.filter((name): name is string => typeof name === 'string');
  if (isRecord(prices)) found.prices = pricesIn(prices);
  if (isRecord(settings)) found.settings = effectiveSettings(settings);
  for (const listener of found.listeners) listener();
}

function pricesIn(sent: Readonly<Record<string, unknown>>): Record<string, readonly number[]> {
  const found: Record<string, readonly number[]> = {};
  for (const [name, value] of Object.entries(sent))
    if (Array.isArray(value) && value.length === 2 && value.every(Number.isFinite))
      found[name] = value as number[];
  return found;
}

function effectiveSettings(sent: Readonly<Record<string, unknown>>): EffectiveSettings {
  const found: Record<string, EffectiveSetting> = {};
  for (const [name, value] of Object.entries(sent))
    if (isRecord(value) && typeof value['shown'] === 'string') {
      const { shown, source, refused } = value;
      const reason = typeof refused === 'string' ? { refused } : {};
      found[name] = { shown, source: String(source), ...reason };
    }
  return found;
}
