// The reducer: ops to state, whatever the ops are.
import { describe, expect, test } from 'vitest';
import { EMPTY, reduce } from '../../src/renderer/turn-state';
import { seeded, split } from '../seeded';

const TEXT = 'A text of some length, with \u{1F600} in it, that is cut anywhere.';

test('any split of the adds, and of the messages, gives the same state', () => {
  const whole = reduce(EMPTY, [
    ['open', 0, { type: 'text' }],
    ['add', 0, TEXT],
    ['close', 0, { seconds: 1 }],
  ]);
  for (let seed = 1; seed < 50; seed++) {
    const random = seeded(seed);
    let state = reduce(EMPTY, [['open', 0, { type: 'text' }]]);
    let batch: unknown[] = [];
    for (const part of split(TEXT, 7, random)) {
      batch.push(['add', 0, part]);
      if (random() < 0.4) {
        state = reduce(state, batch);
        batch = [];
      }
    }
    state = reduce(state, [...batch, ['close', 0, { seconds: 1 }]]);
    expect(state).toEqual(whole);
  }
});

test.each<[string, unknown]>([
  ['a string', 'nonsense'],
  ['null', null],
  ['an op that is not a list', [1, null, {}, 'add']],
  ['an empty op', [[]]],
  ['an unknown op', [['dance', 1, 2]]],
  ['an add to an unknown key', [['add', 9, 'x']]],
  ['a close of an unknown key', [['close', 9, {}]]],
  ['an add without text', [['add', 0, 5]]],
  ['an open without a block', [['open', 1]]],
  ['an open without a number', [['open', 'x', { type: 'text' }]]],
  ['a repeated open', [['open', 0, { type: 'thinking' }]]],
  [
    'a state that is not an object',
    [
      ['state', null],
      ['state', [1]],
    ],
  ],
  ['an unknown status', [['state', { status: 'flying' }]]],
])('%s changes nothing and does not throw', (_name, ops) => {
  const before = reduce(EMPTY, [
    ['open', 0, { type: 'text' }],
    ['add', 0, 'kept'],
  ]);
  expect(reduce(before, ops)).toEqual(before);
});

describe('state', () => {
  test('is merged at its top level', () => {
    const state = reduce(EMPTY, [
      ['state', { model: 'M', usage: { input_tokens: 1 } }],
      ['state', { status: 'answering', usage: { output_tokens: 2 } }],
    ]);
    expect(state.fields).toEqual({ model: 'M', status: 'answering', usage: { output_tokens: 2 } });
  });
});

test('the recent end of a long text does not depend on how the text was split', () => {
  const text = Array.from({ length: 12_000 }, (_, n) => `${n} `).join('');
  const opened = reduce(EMPTY, [['open', 0, { type: 'text', text: '' }]]);
  const whole = reduce(opened, [['add', 0, text]]);
  let pieces = opened;
  for (let at = 0; at < text.length; at += 700)
    pieces = reduce(pieces, [['add', 0, text.slice(at, at + 700)]]);
  expect(pieces).toEqual(whole);
  const recent = whole.blocks[0]?.recent ?? '';
  expect(recent.length).toBeGreaterThan(10_000);
  expect(recent.length).toBeLessThan(40_000);
  expect(text.endsWith(recent)).toBe(true);
});

describe('close', () => {
  const open = reduce(EMPTY, [
    ['open', 0, { type: 'thinking' }],
    ['add', 0, 'abc'],
  ]);

  test('with the complete block adds what was missed', () => {
    const [block] = reduce(open, [
      ['close', 0, { block: { type: 'thinking', thinking: 'abcdef' } }],
    ]).blocks;
    expect(block).toMatchObject({ text: 'abcdef', revision: 0, closed: true });
  });

  test('with a different text counts as a revision', () => {
    const [block] = reduce(open, [
      ['close', 0, { block: { type: 'thinking', thinking: 'xyz' } }],
    ]).blocks;
    expect(block).toMatchObject({ text: 'xyz', revision: 1 });
  });

  test('reads the text of a result that is a list of blocks', () => {
    const content = [{ type: 'text', text: 'one' }, { type: 'image' }, { type: 'video' }];
    const state = reduce(EMPTY, [
      ['open', 0, { type: 'tool_result', tool_use_id: 't' }],
      ['close', 0, { block: { type: 'tool_result', tool_use_id: 't', content } }],
    ]);
    expect(state.blocks[0]?.text).toBe('one\n[video]');
  });
});

test('the messages of a record and their exact texts follow those sent before', () => {
  const { record } = reduce(EMPTY, [
    ['record', { id: 'a', messages: [1], json: { 'params.n': '1.0' } }],
    ['record', { messages: [2, 3], json: { 'messages.1': '{}' }, responses: [4] }],
    ['record', { messages: [5], json: {} }],
  ]);
  expect(record).toEqual({
    id: 'a',
    messages: [1, 2, 3, 5],
    json: { 'params.n': '1.0', 'messages.1': '{}' },
    responses: [4],
  });
});
