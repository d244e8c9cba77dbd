// Following the end of an answer that grows, with a layout of one column that scrolls.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FollowEnd } from '../../src/lab/follow-end';

const HEIGHT = 500;

let host: HTMLElement;
let scroller: HTMLElement;
let turn: HTMLElement;
let body: HTMLElement;
let follow: FollowEnd;
/** What is above the turn, and its height. */
let above: number;
let height: number;
let resized: () => void;

const box = (top: number, bottom: number): DOMRect => ({ top, bottom }) as DOMRect;
const bottom = (): number => above + height - scroller.scrollTop;

/** Scroll as a reader does. */
function scrollTo(top: number): void {
  document.dispatchEvent(new Event('wheel'));
  scroller.scrollTop = Math.max(0, top);
  scroller.dispatchEvent(new Event('scroll'));
}

function grow(by: number): void {
  height += by;
  resized();
  // The browser reports in the next frame what the page itself has scrolled.
  scroller.dispatchEvent(new Event('scroll'));
}

const button = (): HTMLButtonElement | null => host.querySelector('.mm-jump');
const isAtEnd = (): boolean => bottom() === HEIGHT;

function start(where: number): void {
  above = where;
  height = 20;
  follow = new FollowEnd(turn, body);
  resized();
}

beforeEach(() => {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      constructor(callback: () => void) {
        resized = callback;
      }
      observe(): void {}
      disconnect(): void {
        resized = () => undefined;
      }
    },
  );
  document.body.innerHTML = '<div><div style="overflow-y: auto"><div><p>text</p></div></div></div>';
  host = document.body.firstElementChild as HTMLElement;
  scroller = host.firstElementChild as HTMLElement;
  turn = scroller.firstElementChild as HTMLElement;
  body = turn.firstElementChild as HTMLElement;
  Object.defineProperty(scroller, 'scrollHeight', { get: () => above + height + 2000 });
  Object.defineProperty(scroller, 'clientHeight', { get: () => HEIGHT });
  scroller.getBoundingClientRect = () => box(0, HEIGHT);
  turn.getBoundingClientRect = () => box(above - scroller.scrollTop, bottom());
  turn.scrollIntoView = () => {
    scroller.scrollTop += bottom() - HEIGHT;
  };
});

afterEach(() => {
  follow.dispose();
  getSelection()!.removeAllRanges();
});

it('does not scroll before the answer reaches the end of the screen, then follows it', () => {
  start(100);
  grow(300);
  expect(scroller.scrollTop).toBe(0);
  for (let count = 0; count < 20; count++) grow(70);
  expect(isAtEnd()).toBe(true);
  expect(button()).toBeNull();
});

it('leaves a reader alone who scrolls up, offers to jump, and follows again at the end', () => {
  start(100);
  grow(1000);
  scrollTo(scroller.scrollTop - 200);
  const { scrollTop } = scroller;
  grow(500);
  expect(scroller.scrollTop).toBe(scrollTop);
  expect(button()!.textContent).toBe('↓ Jump to end');
  button()!.click();
  expect(isAtEnd()).toBe(true);
  expect(button()).toBeNull();
  grow(100);
  expect(isAtEnd()).toBe(true);
  scrollTo(scroller.scrollTop - 200);
  grow(50);
  scrollTo(scroller.scrollTop + 245);
  grow(50);
  expect(isAtEnd()).toBe(true);
});

it('gives the focus of its button to the cell, and leaves its keys to the browser', () => {
  const onKey = vi.fn();
  host.addEventListener('keydown', onKey);
  host.addEventListener('focusin', onKey);
  turn.className = 'jp-Cell';
  turn.tabIndex = 0;
  start(100);
  grow(2000);
  scrollTo(1000);
  button()!.focus();
  button()!.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
  expect(onKey).not.toHaveBeenCalled();
  button()!.click();
  expect(document.activeElement).toBe(turn);
  expect(isAtEnd()).toBe(true);
});

it('stays at the end where JupyterLab scrolls to the cell whose run has ended', () => {
  start(100);
  grow(2000);
  scroller.scrollTop = 0;
  scroller.dispatchEvent(new Event('scroll'));
  expect(isAtEnd()).toBe(true);
});

it('follows the end of an answer that is moved to another place of the page', () => {
  start(100);
  grow(2000);
  turn.remove();
  resized();
  scroller.scrollTop = 0;
  scroller.append(turn);
  resized();
  expect(isAtEnd()).toBe(true);
});

it('does not follow an answer that begins below the screen, and offers no jump to it', () => {
  start(2000);
  grow(5000);
  expect(scroller.scrollTop).toBe(0);
  expect(button()).toBeNull();
  scrollTo(1800);
  expect(button()).not.toBeNull();
  expect(scroller.scrollTop).toBe(1800);
});

it('does not move an answer that is above the screen', () => {
  start(100);
  scrollTo(1000);
  grow(300);
  expect(scroller.scrollTop).toBe(1000);
});

it('does not scroll while text of the answer is selected', () => {
  start(100);
  grow(1000);
  getSelection()!.selectAllChildren(body);
  const { scrollTop } = scroller;
  grow(500);
  expect(scroller.scrollTop).toBe(scrollTop);
  getSelection()!.removeAllRanges();
  grow(10);
  expect(isAtEnd()).toBe(true);
});

it('ends with the turn, and takes its button away', () => {
  start(100);
  grow(1000);
  scrollTo(0);
  expect(button()).not.toBeNull();
  follow.dispose();
  expect(button()).toBeNull();
  scrollTo(700);
  grow(100);
  expect(scroller.scrollTop).toBe(700);
});
