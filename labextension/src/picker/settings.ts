// Parses and validates the settings of a form.
// A value is valid if the kernel accepts it (`MiniMax` in mm_magics/config.py); the kernel ignores others. Unknown keys in
// the metadata of a notebook are left unchanged.
import type { EffectiveSetting, NotebookSettings } from '../protocol';
import type { Model } from '../renderer/model-catalogue';

export type Name = keyof NotebookSettings | 'tools';

export type Settings = Readonly<Record<string, unknown>>;

/** The settings as the kernel uses them, by name; a name is missing if the kernel has not sent it. */
export type EffectiveSettings = Readonly<Record<string, EffectiveSetting>>;

/** What a form sets: the metadata of the notebook, or the settings of the kernel, which have priority. */
export type Level = 'notebook' | 'kernel';

const SOURCES: Readonly<Record<Level, EffectiveSetting['source']>> = {
  notebook: 'notebook',
  kernel: 'set in this kernel',
};
/** How the kernel shows a value that is not sent. */
export const NOT_SENT = 'endpoint default';

/** The settings that a notebook can have. */
export const NOTEBOOK_NAMES: readonly Name[] = [
  'model',
  'thinking',
  'temperature',
  'top_p',
  'max_tokens',
  'system',
  'thread',
];
export const KERNEL_NAMES: readonly Name[] = [...NOTEBOOK_NAMES, 'tools'];
/** The values of `thinking` that are not numbers of tokens; a copy of `mm_magics.api.thinking.NAMES`. */
const THINKING = ['on', 'off', 'adaptive', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
const EFFORTS = THINKING.slice(3);
const TEXT_SETTINGS: ReadonlySet<Name> = new Set<Name>(['model', 'system', 'thread']);

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

/** Whether the kernel accepts the value. Null is a value: the field is not sent. */
export function isValid(name: Name, value: unknown): boolean {
  switch (name) {
    case 'temperature':
    case 'top_p':
      return value === null || (typeof value === 'number' && value > 0 && value <= 1);
    case 'max_tokens':
      return isCount(value);
    case 'thinking':
      return value === null || (THINKING as readonly unknown[]).includes(value) || isCount(value);
    case 'system':
      return value === null || typeof value === 'string';
    case 'tools':
      return Array.isArray(value) && value.every((each) => typeof each === 'string');
    default:
      return typeof value === 'string' && value !== '';
  }
}

/** Return the values of `thinking` that make a difference for a model; undefined is an unknown one. */
export function thinkingChoices(model: Model | undefined): readonly string[] {
  switch (model?.thinking) {
    case 'always':
      return [];
    case 'adaptive':
      return ['on', 'off'];
    case 'effort':
      return EFFORTS;
    default:
      return THINKING;
  }
}

/**
 * Return the value that the user entered, valid or not; undefined if the field leaves the setting as it is elsewhere.
 * An empty field for a number that need not be sent is null: it is not sent.
 */
export function parse(name: Name, text: string): unknown {
  const trimmed = text.trim();
  if (name === 'tools') return trimmed.split(/[\s,]+/).filter(Boolean);
  if (!trimmed) return name === 'temperature' || name === 'top_p' ? null : undefined;
  if (name === 'system') return text;
  return !TEXT_SETTINGS.has(name) && /^\d*\.?\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
}

/** Return the text to show for a value. */
export function format(name: Name, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (name === 'tools' && Array.isArray(value)) return value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Return the settings with one changed; undefined removes it. */
export function change(settings: Settings, name: Name, value: unknown): Settings {
  const others = Object.entries(settings).filter(([each]) => each !== name);
  return Object.fromEntries(value === undefined ? others : [...others, [name, value]]);
}

/**
 * Return the effective value of a setting and its source; null if it is not known. `own` are the values that were set at
 * this level, which the kernel may not have received yet.
 */
export function effectiveSetting(
  name: Name,
  level: Level,
  own: Settings,
  sent: EffectiveSettings,
): EffectiveSettings[string] | null {
  const found = sent[name];
  const value = own[name];
  const isReplaced =
    found?.refused !== undefined || (level === 'notebook' && found?.source === SOURCES.kernel);
  if (value !== undefined && isValid(name, value) && !isReplaced)
    return { shown: value === null ? NOT_SENT : format(name, value), source: SOURCES[level] };
  // The kernel has not sent yet what it uses instead of a value that was just removed.
  return found && found.source !== (value === undefined ? SOURCES[level] : undefined)
    ? found
    : null;
}
