// Follows the end of an answer while it grows, as long as the reader is there. If the reader is not, a button jumps to it.
// The reader leaves the end by scrolling up, and returns by scrolling down to it. JupyterLab also scrolls up, to the cell
// whose run has ended; the reader did not want that. Nothing scrolls while text in the answer is selected or the focus is
// in it.
import { element, isBeingRead } from '../renderer/element';
import { sharedTranslation } from '../renderer/strings';

/** The reader is at the end if it is at most this far below what is visible, in pixels. */
const SLACK = 40;
/** A reader scrolls this long after a key or a movement of the wheel at most. */
const INPUT_MS = 1_000;
const INPUTS = ['wheel', 'keydown', 'pointerdown', 'touchmove'] as const;

const LISTEN = { capture: true, passive: true };

export class FollowEnd {
  private readonly button = element('button', 'mm-jump', '↓ ');
  private readonly observer: ResizeObserver;
  private scroller: HTMLElement | null = null;
  private isFollowing = true;
  private hasBegun = false;
  private lastTop = 0;
  private inputAt = -Infinity;
  private readonly onInput = (): void => {
    this.inputAt = performance.now();
  };
  private readonly onScroll = (): void => {
    this.scrolled();
  };

  /** Follow the end of `turn`, whose text is in `body`, until `dispose` is called. */
  constructor(
    private readonly turn: HTMLElement,
    private readonly body: HTMLElement,
  ) {
    this.button.type = 'button';
    const trans = sharedTranslation();
    this.button.append(trans.__('Jump to end'));
    this.button.addEventListener('click', () => {
      this.isFollowing = true;
      // What scrolls from now on is not the reader.
      this.inputAt = -Infinity;
      this.focusCell();
      this.showEnd();
      this.showButton();
    });
    // The notebook would move the focus to a cell, and run shortcuts.
    for (const name of ['focusin', 'keydown'])
      this.button.addEventListener(name, (event) => {
        event.stopPropagation();
      });
    this.button.setAttribute('data-lm-suppress-shortcuts', 'true');
    this.observer = new ResizeObserver(() => {
      this.grown();
    });
    this.observer.observe(turn);
    for (const name of INPUTS) document.addEventListener(name, this.onInput, LISTEN);
  }

  dispose(): void {
    for (const name of INPUTS) document.removeEventListener(name, this.onInput, LISTEN);
    this.observer.disconnect();
    this.leave();
  }

  private leave(): void {
    this.scroller?.removeEventListener('scroll', this.onScroll);
    this.scroller = null;
    this.button.remove();
  }

  /** How far the end is below what is visible, in pixels. */
  private get distance(): number {
    if (!this.scroller) return 0;
    return this.turn.getBoundingClientRect().bottom - this.scroller.getBoundingClientRect().bottom;
  }

  private get isVisible(): boolean {
    const { top, bottom } = this.turn.getBoundingClientRect();
    const visible = this.scroller?.getBoundingClientRect();
    return visible !== undefined && top < visible.bottom && bottom > visible.top;
  }

  private grown(): void {
    if (!this.turn.isConnected) {
      this.leave();
      return;
    }
    this.enter();
    if (this.isFollowing && this.distance > 0 && !isBeingRead(this.body)) this.showEnd();
    this.showButton();
  }

  /** Find what scrolls the turn. The turn can be moved to another place while it runs. */
  private enter(): void {
    const scroller = scrollerOf(this.turn);
    if (scroller === this.scroller) return;
    this.leave();
    this.scroller = scroller;
    if (!scroller) return;
    this.lastTop = scroller.scrollTop;
    scroller.addEventListener('scroll', this.onScroll, { passive: true });
    // A turn that begins below what is visible is not followed. Its place on the page can change while it is.
    if (!this.hasBegun) this.isFollowing = this.isVisible && this.distance <= SLACK;
    this.hasBegun = true;
  }

  private scrolled(): void {
    if (!this.scroller) return;
    const { scrollTop } = this.scroller;
    const up = scrollTop < this.lastTop;
    this.lastTop = scrollTop;
    const isReader = performance.now() - this.inputAt < INPUT_MS;
    if (up && this.isFollowing && !isReader) this.grown();
    else if (up) this.isFollowing &&= this.distance <= SLACK;
    else this.isFollowing ||= this.isVisible && this.distance <= SLACK;
    this.showButton();
  }

  /** The button, which is removed at the end, gives the focus back to the cell. */
  private focusCell(): void {
    if (document.activeElement !== this.button) return;
    this.turn.closest<HTMLElement>('.jp-Cell')?.focus({ preventScroll: true });
  }

  private showEnd(): void {
    this.turn.scrollIntoView({ block: 'end', inline: 'nearest' });
    if (this.scroller) this.lastTop = this.scroller.scrollTop;
  }

  private showButton(): void {
    const isNeeded = this.isVisible && this.distance > SLACK;
    const host = this.scroller?.parentElement;
    if (isNeeded && host && this.button.parentElement !== host) host.append(this.button);
    if (!isNeeded) this.button.remove();
  }
}

/** Return the nearest element around the turn that scrolls vertically. */
function scrollerOf(turn: HTMLElement): HTMLElement | null {
  for (let el = turn.parentElement; el; el = el.parentElement) {
    const { overflowY } = getComputedStyle(el);
    if ((overflowY === 'auto' || overflowY === 'scroll') && el.scrollHeight > el.clientHeight + 1)
      return el;
  }
  return null;
}
