// Whether a formula contains only what is allowed. mm_magics/display/formulas.py is the twin of this module, and both read
// formulas.json. Anything else is shown as its source: no allowed macro defines, loads, links, styles or moves anything.
import {
  argumentPatterns,
  characters,
  limited,
  macros,
  mostCells,
  mostLimited,
  mostNested,
} from '../../../../mm_magics/display/formulas.json';

export const MAX_FORMULA_LENGTH = 4000;

const LIMITED = new Set(limited.split(' '));
const NAMES = new Set([
  ...Object.values(macros).join(' ').split(' '),
  ...Array.from(characters),
  ...LIMITED,
]);
/** What must follow a macro. */
const ARGUMENTS = new Map(
  Object.entries(argumentPatterns).map(([name, pattern]) => [name, new RegExp(pattern, 'y')]),
);
const TOKEN = /\\([A-Za-z]+|.?)|[{}$%#&]|\^\^/gsu;
const NESTING: Record<string, number> = { '{': 1, '}': -1, begin: 1, end: -1 };

const HARMLESS = new Set([...NAMES].filter((name) => !LIMITED.has(name) && name !== '\\'));
const DELIMITER = /\$|\\[([]|\\begin|\\(?:eq)?ref/;
const MACRO = /\\([A-Za-z]+|!|\\(?=\*?\s*\[))/g;
const DEEP = /(?:\{[^{}]*){20}/;

/** Return the text with its HTML entities as characters. */
export function decoded(text: string): string {
  const holder = document.createElement('textarea');
  holder.innerHTML = text.replace(/</g, '&lt;'); // its content is text
  return holder.value;
}

/** Return whether MathJax could find a macro that is not allowed, wherever it takes formulas to be in the Markdown. */
export function mayTypesetMore(markdown: string): boolean {
  const shown = decoded(markdown);
  if (!DELIMITER.test(shown)) return false;
  return (
    DEEP.test(shown) || [...shown.matchAll(MACRO)].some(([, name]) => !HARMLESS.has(name ?? ''))
  );
}

/** Return whether the formula contains only allowed macros and environments, and its braces are balanced. */
export function isAllowed(tex: string): boolean {
  let depth = 0;
  let limited = 0;
  let dollars = 0;
  let rows = 1;
  let columns = 1;
  let widest = 1;
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(tex); found !== null; found = TOKEN.exec(tex)) {
    const [mark, name] = found;
    if (name === undefined) {
      depth += NESTING[mark] ?? 0;
      if (mark === '$') dollars++;
      if (mark === '&') columns++;
      if (mark === '%' || mark === '#' || mark === '^^' || (mark === '$' && depth === 0))
        return false;
    } else {
      const argument = ARGUMENTS.get(name);
      if (argument) {
        argument.lastIndex = TOKEN.lastIndex;
        if (!argument.test(tex)) return false;
        TOKEN.lastIndex = argument.lastIndex;
        depth += NESTING[name] ?? 0;
        if (name === '\\') {
          rows++;
          columns = 1;
        }
      } else if (!NAMES.has(name)) return false;
      if (LIMITED.has(name)) limited++;
    }
    // Short rows are padded with cells.
    widest = Math.max(widest, columns);
    if (depth < 0 || depth > mostNested || limited > mostLimited) return false;
    if (rows * widest > mostCells) return false;
  }
  return depth === 0 && dollars % 2 === 0 && tex.length <= MAX_FORMULA_LENGTH;
}
