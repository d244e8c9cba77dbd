// Groups many blocks into sections, and sections into chapters, of a fixed size. The browser skips layout and painting
// of full groups that are off screen. The index of a block determines its group.
import { element } from '../element';

/** The number of blocks in a section, and of sections in a chapter. */
const SIZE = 40;

function setContentVisibility(group: Element, value: 'auto' | ''): void {
  if (group instanceof HTMLElement) group.style.contentVisibility = value;
}

/** Return the group at `index` in `parent`. If it does not exist, create it; the group before it is then full. */
function groupAt(parent: Element, index: number, className: string): Element {
  const existing = parent.children[index];
  if (existing) return existing;
  const group = element('div', className);
  parent.append(group);
  // A full group has been laid out, so its height is known and the page does not jump.
  const full = group.previousElementSibling;
  if (full) setContentVisibility(full, 'auto');
  // Each group with this style costs time in every frame, and the inner ones are skipped with the outer one.
  for (const inner of full?.children ?? []) setContentVisibility(inner, '');
  return group;
}

export class BlockSections {
  constructor(private readonly el: HTMLElement) {}

  /** Put `block` at `index`, which must not exceed the number of blocks so far. */
  place(block: HTMLElement, index: number): void {
    const chapter = groupAt(this.el, Math.floor(index / SIZE / SIZE), 'mm-chapter');
    const section = groupAt(chapter, Math.floor(index / SIZE) % SIZE, 'mm-section');
    const current = section.children[index % SIZE];
    if (current !== block) section.insertBefore(block, current ?? null);
  }

  /** Put `blocks` in order. A block that is already in its place is not touched. */
  arrange(blocks: readonly HTMLElement[]): void {
    blocks.forEach((block, index) => {
      this.place(block, index);
    });
    for (const empty of this.el.querySelectorAll('.mm-section:empty, .mm-chapter:empty')) {
      empty.remove();
    }
  }
}
