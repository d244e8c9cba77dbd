// Several answers that were asked for at once: the state of their ops, and how a record of them is drawn.
import { beforeEach, describe, expect, it } from 'vitest';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { continues, EMPTY, reduce } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';
import { comparedVersions, useVersion } from '../../src/renderer/versions';

const answer = (number: number, fields: object = {}): Record<string, unknown> => ({
  schema: 2,
  id: `turn ${number}`,
  thread: 'main',
  cell_id: 'cell',
  status: 'complete',
  model: `model-${number}`,
  messages: [{ role: 'assistant', content: [{ type: 'text', text: `Answer **${number}**` }] }],
  responses: [{ seconds: number, usage: { input_tokens: 5, output_tokens: 7 } }],
  comparison: { id: 'c', number },
  check: { name: 'short', verdict: 'pass', text: '' },
  ...fields,
});
const three = (): Record<string, unknown> =>
  answer(1, { versions: [answer(3), answer(2)], newer: 2, undecided: true });

const streamed = [
  ['record', answer(1, { status: 'stopped' })],
  ['part', 0, ['state', { status: 'waiting', model: 'model-1' }]],
  ['part', 1, ['state', { status: 'waiting', model: 'model-2' }]],
  ['part', 1, ['open', 0, { type: 'text' }]],
  ['part', 1, ['add', 0, 'Answer ']],
  ['part', 0, ['open', 0, { type: 'text' }]],
  ['part', 1, ['add', 0, '**2**']],
  ['part', 1, ['state', { status: 'answering' }]],
];

let root: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  root = document.createElement('div');
  document.body.append(root);
});

describe('the ops of an answer', () => {
  it('change only that answer, however they are grouped', () => {
    const once = reduce(EMPTY, streamed);
    const each = streamed.reduce((state, op) => reduce(state, [op]), EMPTY);
    expect(each).toEqual(once);
    expect(once.blocks).toEqual([]);
    expect(once.parts.map(({ blocks }) => blocks.map(({ text }) => text))).toEqual([
      [''],
      ['Answer **2**'],
    ]);
  });

  it.each([
    [['part']],
    [['part', -1, ['open', 0, {}]]],
    [['part', 'x', []]],
    [['part', 1e9, []]],
    [['part', NaN, []]],
  ])('change nothing if they are malformed: %j', (op) => {
    expect(reduce(EMPTY, [op]).parts.length).toBeLessThan(2);
  });
});

describe('a record with several answers', () => {
  it('is drawn side by side, each with its own header and footer', () => {
    const view = new TurnView(root);
    view.update(reduce(EMPTY, recordToOps(three(), ['A note.'])));
    view.flush();
    const parts = [...root.querySelectorAll('.mm-answers > .mm-turn')];
    expect(parts.map((part) => part.querySelector('.mm-model')!.textContent)).toEqual([
      'model-1',
      'model-2',
      'model-3',
    ]);
    expect(parts.map((part) => part.querySelector('strong')!.textContent)).toEqual(['1', '2', '3']);
    for (const part of parts)
      expect(part.querySelector('.mm-footer')!.textContent).toContain('short: pass');
    const footers = root.querySelectorAll('.mm-footer');
    expect(footers[footers.length - 1]!.textContent).toBe('A note.');
    expect(parts.every((part) => part.getAttribute('aria-label')!.startsWith('model-'))).toBe(true);
    view.dispose();
    expect(root.querySelector('.mm-turn')).toBeNull();
  });

  it('shows one answer once it is chosen', () => {
    for (const number of [1, 2, 3]) {
      const chosen = useVersion(three(), number)!;
      expect(comparedVersions(chosen).size).toBe(0);
      expect(chosen['undecided']).toBeUndefined();
      const state = reduce(EMPTY, recordToOps(chosen));
      expect(state.parts).toEqual([]);
      expect(state.fields.version).toBe(number);
      expect(useVersion(chosen, 1)!['id']).toBe('turn 1');
    }
  });

  it('continues what was streamed', () => {
    const two = answer(1, { versions: [answer(2)], newer: 1, undecided: true });
    const before = reduce(EMPTY, [...streamed, ['part', 0, ['add', 0, 'Answer **1**']]]);
    const next = reduce(EMPTY, recordToOps(two));
    expect(continues(before, next)).not.toBeNull();
    expect(continues(reduce(EMPTY, streamed), next)).toBeNull();
    expect(continues(before, reduce(EMPTY, recordToOps(three())))).toBeNull();
  });

  it.each([
    { undecided: 'yes' },
    { comparison: null },
    { comparison: { id: 5 } },
    { versions: 'none' },
    { versions: [null, 5, {}] },
    { versions: [answer(2, { messages: 5 })] },
  ])('is drawn in some way if it is damaged: %j', (damage) => {
    const view = new TurnView(root);
    view.update(reduce(EMPTY, recordToOps({ ...three(), ...damage })));
    view.flush();
    expect(root.textContent).toContain('Answer 1');
  });
});

describe('a running turn with several answers', () => {
  it('says what its answers do, and has one button for Stop', () => {
    let stopped = 0;
    const view = new TurnView(root, { onStop: () => (stopped += 1) });
    view.update(reduce(EMPTY, streamed));
    view.flush();
    const [own] = root.querySelectorAll<HTMLElement>('.mm-header');
    expect(own!.dataset['status']).toBe('answering');
    own!.querySelector<HTMLElement>('.mm-stop')!.click();
    expect(stopped).toBe(1);
    view.dispose();
  });

  it('ends with all its answers', () => {
    const view = new TurnView(root);
    view.update(reduce(EMPTY, [...streamed, ['state', { status: 'stopped' }]]));
    view.flush();
    const statuses = [...root.querySelectorAll<HTMLElement>('.mm-header')].map(
      (el) => el.dataset['status'],
    );
    expect(statuses).toEqual(['stopped', 'stopped', 'stopped']);
    view.dispose();
  });
});
