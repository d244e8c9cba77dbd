// The flags on the line of a prompt cell that replace settings, by the names of the settings.
import type { Name } from '../picker/settings';

const NAMES: Readonly<Record<string, Name>> = {
  '-m': 'model',
  '--model': 'model',
  '-s': 'system',
  '--system': 'system',
  '-t': 'temperature',
  '--temperature': 'temperature',
  '--top-p': 'top_p',
  '--max-tokens': 'max_tokens',
  '--thinking': 'thinking',
  '--thread': 'thread',
};
const WORD = /(?:"[^"]*"|'[^']*'|[^\s"'])+/g;
const QUOTED = /(["'])(.*?)\1/gs;

/** Return the values of the flags on the line of a magic. */
export function flagsIn(magic: string): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  const words = magic.match(WORD) ?? [];
  for (let at = 1; at < words.length; at++) {
    const [, flag = '', value] = /^(--?[\w-]+)(?:=(.*))?$/s.exec(words[at] ?? '') ?? [];
    const name = NAMES[flag];
    if (name) found[name] = (value ?? words[++at] ?? '').replace(QUOTED, '$2');
  }
  return found;
}
