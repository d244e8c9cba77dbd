// Makes the nodes of a piece of code, highlighted as in an editor, with control and bidi characters made visible.
import { highlightingFor, language } from '@codemirror/language';
import type { EditorState } from '@codemirror/state';
import { highlightTree } from '@lezer/highlight';
import { element } from '../../renderer/element';
import { visible } from '../../renderer/visible-characters';

/** A part of a text that is marked: its start and its end. */
export type Marked = readonly [from: number, to: number];

/** Return the nodes of `text` from one position to another. The state of an editor has the language and the style. */
export function codeNodes(
  state: EditorState | null,
  text: string,
  from = 0,
  to = text.length,
  marks: readonly Marked[] = [],
): (Node | string)[] {
  const classes = new Map<number, string>();
  const edges = new Set<number>([from, to, ...marks.flat()]);
  const found = state?.facet(language);
  if (state && found)
    highlightTree(
      found.parser.parse(text),
      { style: (tags) => highlightingFor(state, tags) },
      (start, end, name) => {
        edges.add(start);
        edges.add(end);
        classes.set(start, name);
        if (!classes.has(end)) classes.set(end, '');
      },
      from,
      to,
    );
  const nodes: (Node | string)[] = [];
  let name = '';
  const ordered = [...edges].filter((at) => at >= from && at <= to).sort((a, b) => a - b);
  for (const [index, at] of ordered.entries()) {
    name = classes.get(at) ?? name;
    const end = ordered[index + 1];
    if (end === undefined) break;
    const piece = visible(text.slice(at, end));
    const isMarked = marks.some(([start, stop]) => start <= at && end <= stop);
    const shown = [name, isMarked ? 'mm-added' : ''].filter(Boolean).join(' ');
    nodes.push(shown ? element('span', shown, piece) : piece);
  }
  return nodes;
}
