// The controls in the header of an answer: versions, Copy, Ask again, and the menu.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { COMMAND_EVENT, headerActions } from '../../src/lab/header-controls';
import { VERSION_EVENT } from '../../src/lab/versions';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { EMPTY, reduce } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';
import { useVersion } from '../../src/renderer/versions';
import { turnRecord } from './fake-jupyterlab';

const one = turnRecord('one', { id: 'turn one' });
const three = turnRecord('three', { id: 'turn three', versions: [turnRecord('two'), one] });
const use = (number: number): Record<string, unknown> => useVersion(three, number)!;

const onVersion = vi.fn();
const onCommand = vi.fn();
let view: TurnView;

const show = (shown: Record<string, unknown>, hasHost = true): void => {
  document.body.replaceChildren();
  const root = document.createElement('div');
  document.body.append(root);
  root.addEventListener(VERSION_EVENT, (event) => {
    onVersion((event as CustomEvent<{ number: number }>).detail.number);
  });
  root.addEventListener(COMMAND_EVENT, (event) => {
    onCommand((event as CustomEvent<object>).detail);
  });
  const actions = headerActions(
    () => shown['id'],
    () => root,
  );
  view = new TurnView(root, hasHost ? actions : {});
  view.update(reduce(EMPTY, recordToOps(shown)));
  view.flush();
};
const button = (name: RegExp): HTMLButtonElement =>
  [...document.querySelectorAll('button')].find((each) =>
    name.test(each.getAttribute('aria-label') ?? ''),
  )!;

beforeEach(() => {
  vi.clearAllMocks();
});

it('shows the position of the version, and asks for the one before and after it', () => {
  show(use(2));
  expect(document.querySelector('.mm-versions')!.textContent).toBe('‹2/3›');
  button(/older/).click();
  button(/newer/).click();
  expect(onVersion.mock.calls).toEqual([[1], [3]]);
  expect(button(/older/).title).toBe('Show the older version (version 2 of 3 is shown)');
});

it.each([
  [1, /older/, /newer/, 2],
  [3, /newer/, /older/, 2],
])('ends at version %i', (number, blocked, open, next) => {
  show(use(number));
  expect(button(blocked).getAttribute('aria-disabled')).toBe('true');
  expect(button(open).getAttribute('aria-disabled')).toBe('false');
  button(blocked).click();
  expect(onVersion).not.toHaveBeenCalled();
  button(open).click();
  expect(onVersion).toHaveBeenCalledExactlyOnceWith(next);
});

it('shows no switch for one version, and no controls while a turn runs or without a host', () => {
  show(one);
  expect(document.querySelector('.mm-versions')!.childNodes).toHaveLength(0);
  show(three);
  const actions = document.querySelector<HTMLElement>('.mm-actions')!;
  expect(actions.hidden).toBe(false);
  view.update(reduce(EMPTY, [...recordToOps(three)!, ['state', { status: 'answering' }]]));
  view.flush();
  expect(actions.hidden).toBe(true);
  show(three, false);
  expect(document.querySelector('.mm-actions')).toBeNull();
});

describe.each([
  ['Copy the answer as Markdown', 'copy-answer'],
  ['Ask again', 'ask-again'],
  ['Actions for this answer', 'menu'],
])('the button "%s"', (label, name) => {
  it('has a name and a tooltip, and requests its command for the turn', () => {
    show(three);
    const found = button(new RegExp(`^${label}$`));
    expect([found.title, found.textContent]).toEqual([label, '']);
    found.click();
    expect(onCommand).toHaveBeenCalledExactlyOnceWith({ name, turn: 'turn three' });
  });
});
