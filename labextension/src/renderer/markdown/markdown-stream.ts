// Renders Markdown that arrives in pieces. Only the last, open blocks are rendered again as text arrives.
// The blocks before them keep their DOM nodes. At the end the whole source is parsed once more, and only blocks that come
// out differently (a link that is defined further down, say) change.
import type { Deadline } from '../frame-loop';
import { element } from '../element';
import { Cleaner } from '../visible-characters';
import { BlockSections } from './block-sections';
import { toSafeNodes } from './decorate-html';
import type { Links } from './markdown-to-html';
import { OpenFence } from './open-fence';
import { keepSelection, patchChildren } from './patch-dom';
import { closedHtml, countStable, openHtml, splitBlocks, type SourceBlock } from './split-blocks';

/** The least number of characters to parse between two looks at the clock. */
const MIN_STEP = 256;
/** In characters. Drawing a longer open part takes at most one part in DRAW_INTERVAL of the time. */
const LONG_TAIL = 8192;
const DRAW_INTERVAL = 8;

/** A block in the document. It is `final` once it is rendered as complete. */
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
  // Never touch a finished block: even removing a class that it does not have is a mutation.
  if (block.final) return;
  block.final = true;
  block.el.classList.remove('mm-open');
}

export class MarkdownStream {
  private readonly cleaner = new Cleaner();
  private readonly source: string[] = [];
  /** Text that has arrived and is not parsed yet. */
  private pending = '';
  /** All blocks. `tail` is the source of those from `stable` on. */
  private blocks: Block[] = [];
  private stable = 0;
  private tail = '';
  /** Set while the tail is one open fence; `tail` is empty then. */
  private fence: OpenFence | null = null;
  /** The link definitions in the finished blocks, and in all blocks. */
  private links: Links = {};
  private allLinks: Links = {};
  private open: readonly SourceBlock[] = [];
  private readonly sections: BlockSections;
  private ended = false;
  /** After the end: the renderings that are still to do, the last one first. */
  private finalRenders: (() => void)[] | null = null;
  private drawnAt = 0;
  private drawTime = 0;

  constructor(
    el: HTMLElement,
    private readonly requestedImages: ReadonlySet<string> = new Set(),
  ) {
    this.sections = new BlockSections(el);
  }

  push(text: string): void {
    this.pending += this.cleaner.clean(text);
  }

  /** No more text will arrive. */
  end(): void {
    if (this.ended) return;
    this.pending += this.cleaner.end();
    this.ended = true;
  }

  /** Work until `deadline`. Return whether there is more to do. */
  step(deadline: Deadline): boolean {
    if (this.isWaiting(deadline)) return true;
    if (this.pending) {
      const startedAt = performance.now();
      do this.parseStep();
      while (this.pending && performance.now() < deadline && !this.isLong(deadline));
      this.drawOpenBlocks();
      this.drawnAt = performance.now();
      this.drawTime = this.drawnAt - startedAt;
    }
    if (this.pending || performance.now() > deadline) return true;
    return this.ended && this.finalize(deadline);
  }

  /** Whether the open part is too long to draw in every frame. */
  private isLong(deadline: Deadline): boolean {
    return deadline !== Infinity && this.tail.length >= LONG_TAIL;
  }

  private isWaiting(deadline: Deadline): boolean {
    if (this.ended || !this.isLong(deadline)) return false;
    return this.pending !== '' && performance.now() - this.drawnAt < DRAW_INTERVAL * this.drawTime;
  }

  private parseStep(): void {
    let size = Math.max(MIN_STEP, this.tail.length >> 1);
    // Never split a surrogate pair.
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
    this.splitTail();
  }

  /** Split the tail into blocks. Finish those that later text cannot change, and remove them from the tail. */
  private splitTail(): void {
    const { blocks, links } = splitBlocks(this.tail, this.links);
    const stable = countStable(blocks);
    for (const block of blocks.slice(0, stable)) this.finish(this.blockAt(this.stable++), block);
    this.tail = this.tail.slice(blocks[stable - 1]?.end ?? 0);
    this.open = blocks.slice(stable);
    this.allLinks = links;
    if (this.open.length === 1 && this.open[0]?.kind === 'fence') this.openFence();
  }

  /** Render the blocks that later text may change. */
  private drawOpenBlocks(): void {
    if (this.fence) return;
    const { open, allLinks: links } = this;
    const last = open.at(-1);
    open.forEach((source, index) => {
      const block = this.blockAt(this.stable + index);
      const html = source === last ? openHtml(source, links) : closedHtml(source, links, false);
      this.draw(block, source.raw, html);
    });
    this.removeBlocksFrom(this.stable + open.length);
  }

  private removeBlocksFrom(index: number): void {
    for (const extra of this.blocks.splice(index)) extra.el.remove();
  }

  private blockAt(index: number): Block {
    const existing = this.blocks[index];
    if (existing) return existing;
    const block = newBlock();
    this.blocks[index] = block;
    this.sections.place(block.el, index);
    return block;
  }

  private openFence(): void {
    const start = /^\s*\n/.exec(this.tail)?.[0].length ?? 0;
    const raw = this.tail.slice(start);
    const fence = OpenFence.parse(raw);
    if (!fence) return;
    const rest = fence.append(raw.slice(fence.raw.length));
    if (rest === null) {
      const block = this.blockAt(this.stable);
      block.html = '';
      block.el.replaceChildren(fence.el);
      this.removeBlocksFrom(this.stable + 1);
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

  private finish(block: Block, source: Omit<SourceBlock, 'end'>): void {
    const { raw } = source;
    this.draw(block, raw, closedHtml(source, this.links, true));
    if (raw.includes(']:')) this.links = splitBlocks(raw, this.links).links;
    makeFinal(block);
  }

  private draw(block: Block, raw: string, html: string): void {
    block.raw = raw;
    if (block.html === html) return;
    block.html = html;
    keepSelection(block.el, () => {
      patchChildren(block.el, toSafeNodes(html, this.requestedImages));
    });
  }

  /** Render the complete source once more, until `deadline`. Return whether there is more to do. */
  private finalize(deadline: Deadline): boolean {
    this.finalRenders ??= this.reparse();
    while (this.finalRenders.length > 0) {
      this.finalRenders.pop()?.();
      if (performance.now() > deadline) break;
    }
    return this.finalRenders.length > 0;
  }

  /** Make `blocks` match the complete source. Return the renderings that are left to do. */
  private reparse(): (() => void)[] {
    const { blocks: sources, links } = splitBlocks(this.source.join(''), {});
    this.links = links;
    this.fence = null;
    const isSame = (at: number): boolean =>
      this.blocks.at(at)?.raw.trimEnd() === sources.at(at)?.raw.trimEnd();
    const most = Math.min(this.blocks.length, sources.length);
    let head = 0;
    while (head < most && isSame(head)) head++;
    let foot = 0;
    while (foot < most - head && isSame(-1 - foot)) foot++;
    const end = this.blocks.length - foot;
    for (const block of this.blocks.slice(head, end)) block.el.remove();
    this.blocks = [
      ...this.blocks.slice(0, head),
      ...sources.slice(head, sources.length - foot).map(newBlock),
      ...this.blocks.slice(end),
    ];
    this.sections.arrange(this.blocks.map(({ el }) => el));
    const definesLinks = Object.keys(links).length > 0;
    return sources.flatMap((source, index) => {
      const { raw } = source;
      const block = this.blocks[index];
      if (!block || (block.final && !(definesLinks && raw.includes('[')))) return [];
      return [
        () => {
          this.draw(block, raw, closedHtml(source, links, true));
          makeFinal(block);
        },
      ];
    });
  }
}
