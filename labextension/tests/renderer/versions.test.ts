// The versions of a turn record, and how the header of a turn switches between them.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { EMPTY, reduce } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';
import { useVersion, versionCount, versionNumber } from '../../src/renderer/versions';

const record = (text: string, fields: object = {}): Record<string, unknown> => ({
  schema: 2,
  id: `turn ${text}`,
  thread: 'main',
  cell_id: 'cell',
  status: 'complete',
  model: 'MiniMax-M2.7',
  messages: [{ role: 'assistant', content: [{ type: 'text', text }] }],
  responses: [],
  ...fields,
});
const three = record('three', { versions: [record('two'), record('one')] });
const use = (from: Record<string, unknown>, number: number): Record<string, unknown> =>
  useVersion(from, number)!;

describe('useVersion', () => {
  it('keeps the order and the numbers of the versions, in whatever order they are shown', () => {
    let shown: Record<string, unknown> = three;
    for (const number of [1, 3, 2, 2, 1, 2, 3]) {
      shown = use(shown, number);
      expect([versionNumber(shown), versionCount(shown)]).toEqual([number, 3]);
      const names = ['one', 'two', 'three'];
      expect(shown['id']).toBe(`turn ${names[number - 1]}`);
      names.splice(number - 1, 1);
      const others = (shown['versions'] as { id: string }[]).map(({ id }) => id);
      expect(others).toEqual(names.reverse().map((name) => `turn ${name}`));
    }
    expect(shown).toEqual(three);
  });

  it('changes nothing in a record but its place', () => {
    const old = record('one', {
      cell_id: 'elsewhere',
      base: { thread: 'x', turn: 'y' },
      schema: 1,
    });
    const copied = record('two', { versions: [old], cell_id: 'copy', thread: 'side' });
    const { versions, newer, ...own } = use(copied, 1);
    expect(own).toEqual(record('one', { cell_id: 'copy', thread: 'side', schema: 1 }));
    expect(newer).toBe(1);
    expect(versions).toEqual([record('two', { cell_id: 'copy', thread: 'side' })]);
  });

  it.each([0, 4, -1, NaN])('returns null for the number %s', (number) => {
    expect(useVersion(three, number)).toBeNull();
  });

  it.each([
    [{ versions: 7 }, 1, 1],
    [{ versions: [null, 'x', record('one')] }, 2, 2],
    [{ versions: [record('one')], newer: 9 }, 1, 2],
    [{ versions: [record('one')], newer: -1 }, 2, 2],
    [{ versions: [record('one')], newer: '1' }, 2, 2],
  ])('counts the versions of the damaged record %j', (fields, number, count) => {
    const damaged = record('two', fields);
    expect([versionNumber(damaged), versionCount(damaged)]).toEqual([number, count]);
  });
});

describe('the header', () => {
  const onVersion = vi.fn();
  const onMenu = vi.fn();
  let view: TurnView;

  const show = (shown: object, actions: object = { onVersion, onMenu }): void => {
    document.body.replaceChildren();
    view = new TurnView(document.body, actions);
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
    show(use(three, 2));
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
    show(use(three, number));
    expect(button(blocked).getAttribute('aria-disabled')).toBe('true');
    expect(button(open).getAttribute('aria-disabled')).toBe('false');
    button(blocked).click();
    expect(onVersion).not.toHaveBeenCalled();
    button(open).click();
    expect(onVersion).toHaveBeenCalledExactlyOnceWith(next);
  });

  it('shows no switch for one version, while a turn runs, and without a host', () => {
    show(record('only'));
    expect(document.querySelector('.mm-versions')!.childNodes).toHaveLength(0);
    show(three);
    view.update(reduce(EMPTY, [...recordToOps(three)!, ['state', { status: 'answering' }]]));
    view.flush();
    expect(document.querySelector('.mm-versions')!.childNodes).toHaveLength(0);
    expect(button(/Actions/).hidden).toBe(true);
    show(three, {});
    expect(document.querySelector('.mm-versions, .mm-menu')).toBeNull();
  });

  it('has a button that opens a menu', () => {
    show(record('only'));
    const menu = button(/Actions for this answer/);
    expect(menu.getAttribute('aria-haspopup')).toBe('menu');
    menu.click();
    expect(onMenu).toHaveBeenCalledExactlyOnceWith(menu);
  });
});
