// Lets emphasis begin and end beside a Chinese, Japanese or Korean character, where no spaces are written. This is the rule
// of https://github.com/tats-u/markdown-cjk-friendly, and _scan_delimiters in mm_magics/display/gfm.py is its twin.
import { hasCjk } from './markup';

/** Marks of emphasis, and the characters around them. */
const MARKS = /([^*~]?)([*~]+)(?=([^*~]?))/gu;

/** Hide from marked that a character beside the marks is punctuation, if one of them is such a character. */
export function maskPunctuation(source: string): string {
  let masked = source.replace(MARKS, (found, before: string, marks: string, after: string) =>
    hasCjk(before + after) && before.trim() ? 'a'.repeat(before.length) + marks : found,
  );
  masked = masked.replace(/([*~]+)([^*~])/gu, (found, marks: string, after: string, at: number) =>
    after.trim() && hasCjk((Array.from(source.slice(Math.max(0, at - 2), at)).at(-1) ?? '') + after)
      ? marks + 'a'.repeat(after.length)
      : found,
  );
  return masked;
}

/** Return what marked must take for the character before the marks that the text begins with. */
export function characterBefore(text: string, before: string): string {
  const after = /^[*~]+([^*~]?)/u.exec(text)?.[1] ?? '';
  return after && before !== '*' && before !== '~' && hasCjk(before + after) ? '' : before;
}
