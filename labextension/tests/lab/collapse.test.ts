// Collapsing an answer that is longer than a screen.
import { beforeEach, expect, it, vi } from 'vitest';
import { headerActions } from '../../src/lab/header-controls';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { EMPTY, reduce } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';
import { turnRecord } from './fake-jupyterlab';

let resized: () => void;
let height: number;
const scrollIntoView = vi.fn();

const button = (): HTMLButtonElement => document.querySelector<HTMLButtonElement>('.mm-collapse')!;
const turn = (): HTMLElement => document.querySelector<HTMLElement>('.mm-turn')!;
const body = (): HTMLElement => document.querySelector<HTMLElement>('.mm-body')!;

beforeEach(() => {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      constructor(callback: () => void) {
        resized = callback;
      }
      observe(): void {}
    },
  );
  document.body.replaceChildren();
  const actions = headerActions(
    () => 'turn',
    () => document.body,
  );
  const view = new TurnView(document.body, actions);
  view.update(reduce(EMPTY, recordToOps(turnRecord('Long.'))));
  view.flush();
  Object.defineProperty(turn(), 'clientHeight', { get: () => height });
  turn().scrollIntoView = scrollIntoView;
});

it('is offered only for an answer that is longer than a screen', () => {
  height = window.innerHeight - 1;
  resized();
  expect(button().hidden).toBe(true);
  height = window.innerHeight + 1;
  resized();
  expect(button().hidden).toBe(false);
  expect(button().getAttribute('aria-expanded')).toBe('true');
});

it('shows the first lines, which cannot be reached with the keyboard, and the header', () => {
  height = 5000;
  resized();
  button().click();
  expect(turn().classList.contains('mm-collapsed')).toBe(true);
  expect(body().inert).toBe(true);
  expect(scrollIntoView).toHaveBeenCalledWith({ block: 'nearest' });
  height = 100;
  resized();
  expect(button().getAttribute('aria-label')).toBe('Show the whole answer');
  expect(button().getAttribute('aria-expanded')).toBe('false');
  expect(button().hidden).toBe(false);
  const showAll = document.querySelector<HTMLButtonElement>('.mm-body + .mm-show-all')!;
  expect(showAll.textContent).toBe('Show all');
  showAll.click();
  expect(turn().classList.contains('mm-collapsed')).toBe(false);
  expect(body().inert).toBe(false);
  expect(document.querySelector('.mm-show-all')).toBeNull();
  button().click();
  button().click();
  expect(turn().classList.contains('mm-collapsed')).toBe(false);
  expect(document.querySelector('.mm-show-all')).toBeNull();
});
