// Cuts Markdown into its top-level blocks and says which of them later text cannot change. No DOM.
// The pieces' raw texts and the blank space between them add up to the source.
import remend from 'remend';
import { asSource, lexBlocks, toHtml, type Links } from './markdown-to-html';
import { openMathAt } from './math';

export interface Piece {
  readonly raw: string;
  /** Where the piece ends in the source. */
  readonly end: number;
  readonly kind: 'fence' | 'code' | 'other';
}

/** A text longer than this is shown as it is while open: mending it would cost too much. */
const MENDED = 8192;
const FENCE = /^ {0,3}(?:```|~~~)/;

/** The blocks of `source` in order, and every link definition in or before it. */
export function cut(source: string, known: Links): { pieces: Piece[]; links: Links } {
  const tokens = lexBlocks(source, known);
  const pieces: Piece[] = [];
  let end = 0;
  for (const { type, raw } of tokens) {
    end += raw.length;
    if (type === 'space') continue;
    const kind = type !== 'code' ? 'other' : FENCE.test(raw) ? 'fence' : 'code';
    pieces.push({ raw, end, kind });
  }
  return { pieces, links: tokens.links };
}

/**
 * How many of `pieces` are complete for good. The last is open. The border before it is certain once
 * its first two lines are (a table is told by its second), or the first line, if that opens a fence;
 * and at once after a fence, which has closed if anything follows it.
 */
export function countStable(pieces: readonly Piece[]): number {
  const last = pieces.at(-1);
  if (!last) return 0;
  const lines = last.raw.split('\n', 3).length - 1;
  const certain = lines >= (last.kind === 'fence' ? 1 : 2) || pieces.at(-2)?.kind === 'fence';
  return Math.max(0, pieces.length - (certain ? 1 : 2));
}

/** A single block longer than this is shown as its source: reading it as Markdown stops the page. */
const READABLE = 100_000;

/** HTML of a block that is complete, or at least no longer the last. */
export function closedHtml(
  { raw, kind }: Omit<Piece, 'end'>,
  links: Links,
  final: boolean,
): string {
  return kind === 'other' && raw.length > READABLE ? asSource(raw) : toHtml(raw, links, final);
}

/** HTML of a block that is still growing, with what it leaves open closed, so that it reads well. */
export function openHtml(piece: Piece, links: Links): string {
  const { raw, kind } = piece;
  if (kind !== 'other' || raw.length > MENDED) return closedHtml(piece, links, false);
  const math = openMathAt(raw);
  if (math < 0) return toHtml(remend(raw, { linkMode: 'text-only', katex: false }), links, false);
  const before = math > 0 ? toHtml(raw.slice(0, math), links, false) : '';
  return before + asSource(raw.slice(math));
}
