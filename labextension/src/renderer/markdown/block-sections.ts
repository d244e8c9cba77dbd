// Keeps a long row of blocks cheap: they stand in sections, and those in chapters, of a fixed size, and the
// browser skips layout and painting of full ones that are out of sight. A block's place follows from its index.
import { element } from './decorate-html';

/** Blocks in a section, sections in a chapter. */
const SIZE = 40;

function skip(part: Element, how: 'auto' | ''): void {
  if (part instanceof HTMLElement) part.style.contentVisibility = how;
}

/** The child of `row` at `index`, made if it is missing; the one before it is then full. */
function part(row: Element, index: number, className: string): Element {
  const known = row.children[index];
  if (known) return known;
  const made = element('div', className);
  row.append(made);
  // Only now: what is full has been laid out, its height is known, and nothing jumps.
  const full = made.previousElementSibling;
  if (full) skip(full, 'auto');
  // Each skipped part costs time in every frame; those inside one are skipped with it.
  for (const inner of full?.children ?? []) skip(inner, '');
  return made;
}

export class Sections {
  constructor(private readonly el: HTMLElement) {}

  /** Put `block` at `index`, which is at most the number of blocks placed so far. */
  place(block: HTMLElement, index: number): void {
    const chapter = part(this.el, Math.floor(index / SIZE / SIZE), 'mm-chapter');
    const section = part(chapter, Math.floor(index / SIZE) % SIZE, 'mm-section');
    const here = section.children[index % SIZE];
    if (here !== block) section.insertBefore(block, here ?? null);
  }

  /** Put all of `blocks` in their order; what is already in its place is not touched. */
  arrange(blocks: readonly HTMLElement[]): void {
    blocks.forEach((block, index) => {
      this.place(block, index);
    });
    for (const empty of this.el.querySelectorAll('.mm-section:empty, .mm-chapter:empty')) {
      empty.remove();
    }
  }
}
