// Code and formulas are plain until the chunk that typesets them arrives, and are then typeset in place.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  loadTypesettingWith,
  provideTypesetting,
  requestTypesetting,
} from '../../src/renderer/markdown/typeset';
import { typesetting } from '../../src/renderer/typesetting/typesetting';
import { questionWith } from '../question';
import { ROWS } from './rendering';
import { showTurn } from './turn-fixture';

beforeEach(() => {
  provideTypesetting(null);
});

const turn = showTurn('answering', 'MiniMax-M2.7');
const find = (selector: string): HTMLElement | null => turn.el.querySelector(selector);

afterEach(() => {
  provideTypesetting(typesetting);
});

function answer(text: string, status = 'complete'): void {
  turn.apply(['open', 0, { type: 'text' }], ['add', 0, text]);
  if (status === 'complete') turn.apply(['close', 0, {}], ['state', { status }]);
}

/** What the page does when the chunk arrives: it draws in its next frames. */
function arrive(): void {
  provideTypesetting(typesetting);
  turn.apply();
}

describe('drawn before the chunk arrives, then typeset, it is what is drawn with the chunk', () => {
  test.each(ROWS.map(({ name, markdown }) => [name, markdown]))('%s', (_name, markdown) => {
    answer(markdown);
    arrive();
    turn.apply(['open', 1, { type: 'text' }], ['add', 1, markdown], ['close', 1, {}]);
    const [first, second] = turn.el.querySelectorAll('.mm-parts');
    expect(first?.innerHTML).toBe(second?.innerHTML);
  });
});

test('without the chunk, code and the source of formulas are shown', () => {
  answer('Since $x^2$:\n\n$$y = 1$$\n\n```python\ndef f(): ...\n```\n\nEnd.');
  expect([...turn.el.querySelectorAll('.mm-tex')].map((el) => el.textContent)).toEqual([
    'x^2',
    'y = 1',
  ]);
  expect(find('.mm-code code')?.textContent).toBe('def f(): ...\n');
  expect(find('[class^=hljs], math')).toBeNull();
});

test('nodes without code and formulas stay, and what is selected stays selected', () => {
  answer('Some *text*.\n\n```python\nx = 1\nprint(x)\n```\n\nEnd: $x$.');
  const emphasis = find('em');
  const button = find('.mm-copy');
  const piece = find('code .mm-piece')?.firstChild;
  const selection = getSelection();
  if (!selection || !piece) throw new Error('no code');
  selection.setBaseAndExtent(piece, 2, piece, 'x = 1\nprint'.length);
  arrive();
  expect(find('.hljs-built_in')).not.toBeNull();
  expect(find('math')).not.toBeNull();
  expect(find('em')).toBe(emphasis);
  expect(find('.mm-copy')).toBe(button);
  expect(selection.toString()).toBe('= 1\nprint');
});

test('code that is still arriving is highlighted when it ends', () => {
  answer('```python\ndef f():\n', 'answering');
  arrive();
  expect(find('.hljs-keyword')).toBeNull();
  turn.apply(['add', 0, '    pass\n```\n\nEnd.'], ['close', 0, {}]);
  expect(find('.hljs-keyword')?.textContent).toBe('def');
});

test('the code of a call that waits for approval is highlighted, and its text stays', () => {
  const asked = questionWith('def f(): ...', {
    parts: [{ label: 'code', language: 'python', text: 'def f(): ...', size: '1 line' }],
  });
  turn.apply(
    ['open', 0, { type: 'tool_use', id: 'c', name: 'run', input: {} }],
    ['close', 0, {}],
    ['tool', 0, { state: 'asking', question: asked }],
  );
  const box = find('.mm-ask .mm-box');
  expect(box?.textContent).toBe('def f(): ...');
  arrive();
  expect(find('.mm-ask .mm-box')).toBe(box);
  expect(box?.querySelector('.hljs-keyword')?.textContent).toBe('def');
  expect(box?.textContent).toBe('def f(): ...');
});

test('a chunk is requested once, when it is needed, and again some time after a failure', async () => {
  let attempts = 0;
  let fails = true;
  loadTypesettingWith(() => {
    attempts++;
    return fails ? Promise.reject(new Error('offline')) : Promise.resolve(typesetting);
  });
  answer('Only text, `code` and a price of $5.', 'answering');
  expect(attempts).toBe(0);
  turn.apply(['add', 0, '\n\n$$x$$\n\n```python\nx = 1\n```\n\n$$y$$']);
  expect(attempts).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  requestTypesetting();
  expect(attempts).toBe(1);
  fails = false;
  await vi.advanceTimersByTimeAsync(10_000);
  turn.apply(['close', 0, {}], ['state', { status: 'complete' }]);
  requestTypesetting();
  await vi.advanceTimersByTimeAsync(1);
  expect(attempts).toBe(2);
  turn.apply();
  expect(turn.el.querySelectorAll('math')).toHaveLength(2);
});
