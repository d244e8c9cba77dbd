// Parses and validates the settings of a notebook.
// A value is valid if the kernel accepts it (`MiniMax` in mm_magics/config.py); the kernel ignores others. Unknown keys in
// the metadata are left unchanged.
import type { EffectiveSetting, NotebookSettings } from '../protocol';
import type { Model } from '../renderer/model-catalogue';

export type Name = keyof NotebookSettings;

export type Settings = Readonly<Record<string, unknown>>;

/** The settings as the kernel uses them, by name; a name is missing if the kernel has not sent it. */
export type EffectiveSettings = Readonly<
  Record<string, { readonly [Field in keyof EffectiveSetting]: string }>
>;

export const NAMES: readonly Name[] = [
  'model',
  'thinking',
  'temperature',
  'top_p',
  'max_tokens',
  'system',
  'thread',
];
/** The values of `thinking` that are not numbers of tokens; a copy of `mm_magics.api.thinking.NAMES`. */
const THINKING = ['on', 'off', 'adaptive', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
const EFFORTS = THINKING.slice(3);
const TEXT_SETTINGS: ReadonlySet<Name> = new Set<Name>(['model', 'system', 'thread']);

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

export function isValid(name: Name, value: unknown): boolean {
  switch (name) {
    case 'temperature':
    case 'top_p':
      return typeof value === 'number' && value > 0 && value <= 1;
    case 'max_tokens':
      return isCount(value);
    case 'thinking':
      return (THINKING as readonly unknown[]).includes(value) || isCount(value);
    case 'system':
      return typeof value === 'string';
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

/** Return the value that the user typed, valid or not, or null if the field is empty. */
export function parse(name: Name, text: string): string | number | null {
  const trimmed = text.trim();
  if (!trimmed) return null;
  if (name === 'system') return text;
  return !TEXT_SETTINGS.has(name) && /^\d*\.?\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
}

/** Return the text to show for a value. */
export function format(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Return the settings with one changed; null removes it. */
export function change(settings: Settings, name: Name, value: string | number | null): Settings {
  const others = Object.entries(settings).filter(([each]) => each !== name);
  return Object.fromEntries(value === null ? others : [...others, [name, value]]);
}

/** Return the settings without any of `NAMES`. */
export function reset(settings: Settings): Settings {
  const names: readonly string[] = NAMES;
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
}
