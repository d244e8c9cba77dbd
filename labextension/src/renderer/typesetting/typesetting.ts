// The chunk that highlights code and typesets formulas. It is larger than everything that shows text, so it loads later.
import type { Typesetting } from '../markdown/typeset';
import { highlight } from './highlight-code';
import { toMathML } from './mathml';

export const typesetting: Typesetting = { highlight, toMathML };
