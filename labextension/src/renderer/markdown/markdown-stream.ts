// Markdown that arrives in pieces, as DOM: only the last, open blocks are ever rendered again.
// Blocks before them keep their nodes, whatever comes later; at the end the whole is read once more and
// only blocks that come out differently (a link defined further down, say) are changed.
import { dressed, element } from './decorate-html';
import { OpenFence } from './open-fence';
import type { Links } from './markdown-to-html';
import { morph } from './patch-dom';
import { closedHtml, countStable, cut, openHtml, type Piece } from './split-blocks';
import type { Deadline } from '../frame-loop';
import { Sections } from './block-sections';
import { Cleaner } from '../visible-characters';

/** Characters taken in between two looks at the clock, at least. */
const STEP = 256;
/** An open part longer than this is drawn during at most one part in REST of the time. */
const LONG = 8192;
const REST = 8;

/** A block in the document; `final` once it is rendered as complete. */
interface Block {
  readonly el: HTMLElement;
  raw: string;
  html: string;
  final: boolean;
}

function newBlock(): Block {
  return { el: element('div', 'mm-block mm-open'), raw: '', html: '', final: false };
}

function makeFinal(block: Block): void {
  // A finished block gets no mutation, not even that of a class it does not have.
  if (block.final) return;
  block.final = true;
  block.el.classList.remove('mm-open');
}

export class MarkdownStream {
  private readonly cleaner = new Cleaner();
  private readonly source: string[] = [];
  /** Text that has come but is not yet taken in. */
  private pending = '';
  /** All blocks; those from `stable` on are what `tail` says. */
  private blocks: Block[] = [];
  private stable = 0;
  private tail = '';
  /** Set while the tail is one open fence; `tail` is then empty. */
  private fence: OpenFence | null = null;
  /** Definitions in the finished blocks, and those with the tail's. */
  private links: Links = {};
  private openLinks: Links = {};
  private open: readonly Piece[] = [];
  private readonly sections: Sections;
  private ended = false;
  /** At the end: blocks that are to be rendered once more. */
  private unsettled: (() => void)[] | null = null;
  private drawnAt = 0;
  private drawTime = 0;

  constructor(
    el: HTMLElement,
    private readonly wantedImages: ReadonlySet<string> = new Set(),
  ) {
    this.sections = new Sections(el);
  }

  push(text: string): void {
    this.pending += this.cleaner.clean(text);
  }

  /** No more text will come. */
  end(): void {
    if (this.ended) return;
    this.pending += this.cleaner.end();
    this.ended = true;
  }

  /** Work until `deadline`; true if there is more to do. */
  step(deadline: Deadline): boolean {
    if (this.isResting(deadline)) return true;
    if (this.pending) {
      const begun = performance.now();
      do this.take();
      while (this.pending && performance.now() < deadline && !this.isLong(deadline));
      this.drawOpen();
      this.drawnAt = performance.now();
      this.drawTime = this.drawnAt - begun;
    }
    if (this.pending || performance.now() > deadline) return true;
    return this.ended && this.settle(deadline);
  }

  /** The open part is so long that it is not drawn in every frame. */
  private isLong(deadline: Deadline): boolean {
    return deadline !== Infinity && this.tail.length >= LONG;
  }

  private isResting(deadline: Deadline): boolean {
    if (this.ended || !this.isLong(deadline)) return false;
    return this.pending !== '' && performance.now() - this.drawnAt < REST * this.drawTime;
  }

  private take(): void {
    let size = Math.max(STEP, this.tail.length >> 1);
    // Never between the halves of a surrogate pair.
    if (/[\ud800-\udbff]/.test(this.pending[size - 1] ?? '')) size++;
    const text = this.pending.slice(0, size);
    this.pending = this.pending.slice(size);
    this.source.push(text);
    if (!this.fence) {
      this.tail += text;
    } else {
      const rest = this.fence.append(text);
      if (rest === null) return;
      this.finishFence(this.fence, rest);
    }
    this.readTail();
  }

  /** Find the blocks of the tail; what nothing to come can change is finished and leaves it. */
  private readTail(): void {
    const { pieces, links } = cut(this.tail, this.links);
    const stable = countStable(pieces);
    for (const piece of pieces.slice(0, stable)) this.finish(this.blockAt(this.stable++), piece);
    this.tail = this.tail.slice(pieces[stable - 1]?.end ?? 0);
    this.open = pieces.slice(stable);
    this.openLinks = links;
    if (this.open.length === 1 && this.open[0]?.kind === 'fence') this.openFence();
  }

  /** Render the blocks that may still change. */
  private drawOpen(): void {
    if (this.fence) return;
    const { open, openLinks: links } = this;
    const last = open.at(-1);
    open.forEach((piece, index) => {
      const block = this.blockAt(this.stable + index);
      const html = piece === last ? openHtml(piece, links) : closedHtml(piece, links, false);
      this.draw(block, piece.raw, html);
    });
    this.keep(this.stable + open.length);
  }

  /** Take away the blocks after the first `count`. */
  private keep(count: number): void {
    for (const extra of this.blocks.splice(count)) extra.el.remove();
  }

  private blockAt(index: number): Block {
    const known = this.blocks[index];
    if (known) return known;
    const made = newBlock();
    this.blocks[index] = made;
    this.sections.place(made.el, index);
    return made;
  }

  private openFence(): void {
    const start = /^\s*\n/.exec(this.tail)?.[0].length ?? 0;
    const raw = this.tail.slice(start);
    const fence = OpenFence.open(raw);
    if (!fence) return;
    const rest = fence.append(raw.slice(fence.raw.length));
    if (rest === null) {
      const block = this.blockAt(this.stable);
      block.html = '';
      block.el.replaceChildren(fence.el);
      this.keep(this.stable + 1);
      this.fence = fence;
      this.tail = '';
      this.open = [];
    } else {
      this.finishFence(fence, rest);
    }
  }

  private finishFence(fence: OpenFence, rest: string): void {
    this.finish(this.blockAt(this.stable++), { raw: fence.raw, kind: 'fence' });
    this.fence = null;
    this.tail = rest;
    this.open = [];
  }

  private finish(block: Block, piece: Omit<Piece, 'end'>): void {
    const { raw } = piece;
    this.draw(block, raw, closedHtml(piece, this.links, true));
    if (raw.includes(']:')) this.links = { ...cut(raw, {}).links, ...this.links };
    makeFinal(block);
  }

  private draw(block: Block, raw: string, html: string): void {
    block.raw = raw;
    if (block.html === html) return;
    block.html = html;
    morph(block.el, dressed(html, this.wantedImages));
  }

  /** Read the whole once more; true if there is more to do after `deadline`. */
  private settle(deadline: Deadline): boolean {
    this.unsettled ??= this.reread();
    while (this.unsettled.length > 0) {
      this.unsettled.pop()?.();
      if (performance.now() > deadline) break;
    }
    return this.unsettled.length > 0;
  }

  /** Make `blocks` match the whole source; returns the rendering that this leaves to do. */
  private reread(): (() => void)[] {
    const { pieces, links } = cut(this.source.join(''), {});
    this.links = links;
    this.fence = null;
    const same = (at: number): boolean =>
      this.blocks.at(at)?.raw.trimEnd() === pieces.at(at)?.raw.trimEnd();
    const most = Math.min(this.blocks.length, pieces.length);
    let head = 0;
    while (head < most && same(head)) head++;
    let foot = 0;
    while (foot < most - head && same(-1 - foot)) foot++;
    const gone = this.blocks.splice(head, this.blocks.length - foot - head);
    for (const block of gone) block.el.remove();
    this.blocks.splice(head, 0, ...pieces.slice(head, pieces.length - foot).map(newBlock));
    this.sections.arrange(this.blocks.map(({ el }) => el));
    const defines = Object.keys(links).length > 0;
    return pieces.flatMap((piece, index) => {
      const { raw } = piece;
      const block = this.blocks[index];
      if (!block || (block.final && !(defines && raw.includes('[')))) return [];
      return [
        () => {
          this.draw(block, raw, closedHtml(piece, links, true));
          makeFinal(block);
        },
      ];
    });
  }
}
