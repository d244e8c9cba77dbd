// A notebook's own settings: what a text typed for one of them means, and which values hold.
// Always true: what holds is what the kernel takes (`MiniMax` in mm_magics/config.py); it passes over the rest. Keys that
// are not ours stay as they are.

/** Those that a notebook may hold: `NOTEBOOK_SETTINGS` in mm_magics/config.py. */
export type Name =
  'model' | 'thinking' | 'temperature' | 'top_p' | 'max_tokens' | 'system' | 'thread';

export type Settings = Readonly<Record<string, unknown>>;

export const NAMES: readonly Name[] = [
  'model',
  'thinking',
  'temperature',
  'top_p',
  'max_tokens',
  'system',
  'thread',
];
const TEXTS: ReadonlySet<Name> = new Set<Name>(['model', 'system', 'thread']);

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
      return value === 'on' || value === 'off' || isCount(value);
    default:
      return typeof value === 'string';
  }
}

/** The value that a text stands for, valid or not; null for none. */
export function parse(name: Name, text: string): string | number | null {
  const trimmed = text.trim();
  if (!trimmed) return null;
  if (name === 'system') return text;
  return !TEXTS.has(name) && /^\d*\.?\d+$/.test(trimmed) ? Number(trimmed) : trimmed;
}

/** The text that stands for a value. */
export function write(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The settings with one of them changed; null leaves it to the kernel. */
export function change(settings: Settings, name: Name, value: string | number | null): Settings {
  const others = Object.entries(settings).filter(([each]) => each !== name);
  return Object.fromEntries(value === null ? others : [...others, [name, value]]);
}

/** The settings with everything left to the kernel. */
export function reset(settings: Settings): Settings {
  const ours: readonly string[] = NAMES;
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !ours.includes(name)));
}
