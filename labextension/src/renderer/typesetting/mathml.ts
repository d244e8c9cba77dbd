// LaTeX becomes MathML with the core of Temml: formulas.json allows none of its macros for chemistry and physics.
import temml from 'temml/temml.js';
import { isAllowed } from '../markdown/formulas';

/** Convert LaTeX to MathML. Return null if it is not allowed or cannot be parsed. */
export function toMathML(tex: string, display: boolean): string | null {
  if (!isAllowed(tex)) return null;
  try {
    return temml.renderToString(tex, {
      displayMode: display,
      throwOnError: true,
      trust: false,
      strict: false,
      maxExpand: 500,
      maxSize: [50, 50],
      macros: {},
    });
  } catch {
    return null;
  }
}
