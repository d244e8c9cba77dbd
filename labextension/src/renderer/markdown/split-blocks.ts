// Splits Markdown into its top-level blocks, and finds those that later text cannot change. No DOM.
// The blocks and the whitespace between them add up to the source.
import remend from 'remend';
import { sourceHtml, lexBlocks, toHtml, type Links } from './markdown-to-html';
import { openMathAt } from './math';

export interface SourceBlock {
  readonly raw: string;
  /** The index in the source where the block ends. */
  readonly end: number;
  readonly kind: 'fence' | 'code' | 'other';
}

/** In characters. The unfinished syntax of a longer open block is not completed, because that takes too long. */
const COMPLETION_LIMIT = 8192;
/** What may contain other blocks. */
const CONTAINER = /<(\/?)(?:blockquote|details|div|dl|ol|table|ul)\b[^<>]*>/gi;
const FENCE = /^ {0,3}(?:```|~~~)/;

/** Return the blocks of `source` in order, and all link definitions: the known ones and those in `source`. */
export function splitBlocks(source: string, known: Links): { blocks: SourceBlock[]; links: Links } {
  const tokens = lexBlocks(source, known);
  const blocks: SourceBlock[] = [];
  let end = 0;
  let open = 0;
  for (const { type, raw } of tokens) {
    end += raw.length;
    const last = blocks.at(-1);
    if (open > 0 && last) {
      blocks[blocks.length - 1] = { raw: last.raw + raw, end, kind: 'other' };
    } else {
      if (type === 'space') continue;
      const kind = type !== 'code' ? 'other' : FENCE.test(raw) ? 'fence' : 'code';
      blocks.push({ raw, end, kind });
    }
    if (type === 'html' || (open > 0 && type !== 'code')) open = Math.max(0, open + opened(raw));
  }
  return { blocks, links: tokens.links };
}

/** Return how many HTML elements that contain blocks are opened here and not closed. */
function opened(html: string): number {
  let count = 0;
  for (const [, end] of html.matchAll(CONTAINER)) count += end ? -1 : 1;
  return count;
}

/**
 * Return how many of the first blocks no later text can change. The last block is always open. The block before it is
 * stable once the last one has two complete lines (the second line decides whether it is a table), or one line if that
 * opens a fence, or at once if the block before it is a fence.
 */
export function countStable(blocks: readonly SourceBlock[]): number {
  const last = blocks.at(-1);
  if (!last) return 0;
  const lines = last.raw.split('\n', 3).length - 1;
  const certain = lines >= (last.kind === 'fence' ? 1 : 2) || blocks.at(-2)?.kind === 'fence';
  return Math.max(0, blocks.length - (certain ? 1 : 2));
}

/** In characters. A longer block is shown as source: parsing it would freeze the page. */
const PARSE_LIMIT = 100_000;

/** Render a block that is complete, or at least not the last one. */
export function closedHtml(
  { raw, kind }: Omit<SourceBlock, 'end'>,
  links: Links,
  complete: boolean,
): string {
  return kind === 'other' && raw.length > PARSE_LIMIT
    ? sourceHtml(raw)
    : toHtml(raw, links, complete);
}

/** Render a block that is still growing. Unfinished syntax is completed, so `**bo` is shown in bold. */
export function openHtml(block: SourceBlock, links: Links): string {
  const { raw, kind } = block;
  if (kind !== 'other' || raw.length > COMPLETION_LIMIT) return closedHtml(block, links, false);
  const math = openMathAt(raw);
  if (math < 0) return toHtml(remend(raw, { linkMode: 'text-only', katex: false }), links, false);
  const before = math > 0 ? toHtml(raw.slice(0, math), links, false) : '';
  return before + sourceHtml(raw.slice(math));
}
