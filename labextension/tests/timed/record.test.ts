// Every reader of a turn record takes linear time, whatever shape the record has, and none of them throws.
import { describe, expect, test } from 'vitest';
import { codeBlocksOf } from '../../src/lab/prompt-cell';
import { makeBundle } from '../../src/lab/saved-bundle';
import { partialOutput } from '../../src/lab/partial-turn';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { EMPTY, reduce, type TurnState } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';
import { useVersion, versionIds, versionNumber } from '../../src/renderer/versions';
import { expectLinear } from './timing';

type Fields = Record<string, unknown>;

const text = (value: string): Fields => ({ type: 'text', text: value });
const call = (id: string, input: unknown = {}): Fields => ({
  type: 'tool_use',
  id,
  name: 'f',
  input,
});
const result = (id: string): Fields => ({ type: 'tool_result', tool_use_id: id, content: 'r' });
const image = {
  type: 'image',
  source: { type: 'base64', media_type: 'image/png', data: 'AAAA' },
};

function recordOf(messages: unknown, more: Fields = {}): Fields {
  return { schema: 2, id: 't', status: 'complete', messages, responses: [], ...more };
}

function turn(answer: unknown[], results: unknown[] = [], more: Fields = {}): Fields {
  const messages = [
    { role: 'user', content: 'q' },
    { role: 'assistant', content: answer },
    { role: 'user', content: results },
  ];
  return recordOf(messages, more);
}

function many<T>(size: number, make: (at: number) => T): T[] {
  return Array.from({ length: size }, (_, at) => make(at));
}

const nested = (levels: number): unknown =>
  JSON.parse('[{"a":'.repeat(levels) + '1' + '}]'.repeat(levels));

const named = (size: number, value: unknown): Fields =>
  Object.fromEntries(many(size, (at) => [`a${at}`, value]));

const SHAPES: Record<string, (size: number) => Fields> = {
  texts: (n) => turn(many(n, () => text('a'))),
  'thinking blocks': (n) => turn(many(n, () => ({ type: 'thinking', thinking: 'a' }))),
  'unknown blocks': (n) => turn(many(n, () => ({ type: 'new', a: 1 }))),
  messages: (n) => recordOf(many(n, () => ({ role: 'assistant', content: 'a' }))),
  'calls that share one id': (n) => turn([call('a'), ...many(n, () => call('a'))], [result('a')]),
  'results that share one id': (n) =>
    turn(
      [call('a')],
      many(n, () => result('a')),
    ),
  'calls and results that share one id': (n) =>
    turn(
      many(n, () => call('a')),
      many(n, () => result('a')),
    ),
  'calls with their outcomes': (n) =>
    turn(
      many(n, (at) => call(`c${at}`)),
      many(n, (at) => result(`c${at}`)),
      {
        responses: [{ tools: many(n, (at) => ({ id: `c${at}`, outcome: 'done' })) }],
      },
    ),
  'calls in a text': (n) =>
    turn(
      [text('a')],
      many(n, () => text('r')),
      {
        responses: [{ tools: many(n, (at) => ({ id: `c${at}`, name: 'f', outcome: 'done' })) }],
      },
    ),
  'rounds that share one id': (n) =>
    recordOf(
      many(n, (at) => [
        { role: at % 2 ? 'user' : 'assistant', content: [at % 2 ? result('a') : call('a')] },
      ]).flat(),
    ),
  'arguments in lines': (n) => turn([call('a', named(n, 'b\nc'))]),
  arguments: (n) => turn([call('a', named(n, 1))]),
  'nested arguments': (n) =>
    turn([
      call(
        'a',
        many(n / 10, () => nested(50)),
      ),
    ]),
  images: (n) => turn([call('a')], [{ ...result('a'), content: many(n, () => image) }]),
  notes: (n) => turn([text('a')], [], { notes: many(n, () => 'note') }),
  responses: (n) => turn([text('a')], [], { responses: many(n, () => ({ usage: { a: 1 } })) }),
  versions: (n) => turn([text('a')], [], { versions: many(n, (at) => recordOf([], { id: at })) }),
  'names in the usage': (n) => turn([text('a')], [], { responses: [{ usage: named(n, 1) }] }),
  'exact texts': (n) =>
    turn(
      many(n, () => call('a')),
      [],
      {
        json: Object.fromEntries(
          many(n, (at) => [`messages.1.content.${at}`, JSON.stringify(call('a'))]),
        ),
      },
    ),
};

function stateOf(record: Fields): TurnState {
  return reduce(EMPTY, recordToOps(record));
}

function draw(record: Fields): HTMLElement {
  const root = document.createElement('div');
  const view = new TurnView(root);
  view.update(stateOf(record));
  view.flush();
  view.dispose();
  return root;
}

/** Where each part is sanitized on its own, which takes jsdom milliseconds. */
const SANITIZED = /text|call|message|round/;

/** With the number of parts in the smaller of two records. */
const READERS: Record<string, [number, (record: Fields) => unknown]> = {
  'the state': [1_000, stateOf],
  'the view': [120, draw],
  'the saved output': [50, makeBundle],
  'the output of a turn that is cut': [
    50,
    (record) => partialOutput({ ...stateOf(record), record }, 1, 'surely'),
  ],
  'another version': [
    1_000,
    (record) => [useVersion(record, 1), versionIds(record), versionNumber(record)],
  ],
  'the code blocks': [1_000, codeBlocksOf],
};

describe.each(Object.keys(READERS))('%s', (reader) => {
  const [size, read] = READERS[reader]!;
  test.each(Object.entries(SHAPES))('%s', (name, shape) => {
    const isSlow = reader !== 'the state' && SANITIZED.test(name);
    expectLinear(shape, isSlow ? size / 10 : size, read);
  });
});

test('ops that arrive one by one', () => {
  const ops = (n: number): unknown[] => [
    ...many(n, (at) => ['open', at, { type: 'text' }]),
    ...many(n, (at) => ['add', at, 'a']),
    ...many(n, (at) => ['tool', at, { state: 'done' }]),
    ...many(n, () => ['add', -1, 'a']),
  ];
  expectLinear(ops, 4_000, (given) => reduce(EMPTY, given));
});

test('more parts than a function has arguments', () => {
  const tools = many(200_000, () => ({ id: 'a', outcome: 'done' }));
  expect(recordToOps(turn([call('a')], [], { responses: [{ tools }] }))).not.toBeNull();
});

/** Values of any form, for every field of a record. */
const VALUES: Record<string, unknown> = {
  null: null,
  number: 5,
  text: 'x',
  list: [],
  object: {},
  'a list of anything': [null, 5, 'x', [], {}, { type: 5, text: {} }, { toString: 1 }],
  'an object without a text': { toString: 1, valueOf: 1 },
  'many levels': nested(50),
  'too many levels': nested(2_000),
};
const FIELDS: Record<string, (value: unknown) => Fields> = {
  ...Object.fromEntries(
    'id status model thread error notes messages responses versions newer params json usage cell_id'
      .split(' ')
      .map((name) => [
        name,
        (value: unknown) => turn([text('a'), call('c')], [result('c')], { [name]: value }),
      ]),
  ),
  content: (value) =>
    recordOf([
      { role: 'user', content: value },
      { role: 'assistant', content: value },
    ]),
  block: (value) => turn([value], [value]),
  ...Object.fromEntries(
    'type text thinking id name input tool_use_id content reasoning_content source'
      .split(' ')
      .flatMap((name) =>
        [text('a'), call('c'), result('c'), image, { type: 'thinking' }].map((block) => [
          `${name} of ${String(block['type'])}`,
          (value: unknown) =>
            turn([call('c'), { ...block, [name]: value }], [{ ...block, [name]: value }]),
        ]),
      ),
  ),
  ...Object.fromEntries(
    'tools usage cost seconds thinking_s first_token_s unfinished partial_json stop_reason'
      .split(' ')
      .map((name) => [
        name,
        (value: unknown) => turn([text('a')], [], { responses: [{ [name]: value }] }),
      ]),
  ),
};

test.each(Object.entries(FIELDS))('any value of %s', (_name, make) => {
  for (const [name, value] of Object.entries(VALUES)) {
    const record = make(value);
    for (const read of [draw, makeBundle, codeBlocksOf, (each: Fields) => useVersion(each, 1)])
      expect(() => read(record), name).not.toThrow();
  }
});

test.each([200, 5_000, 100_000])('a record with %d levels is not drawn', (levels) => {
  const text = '['.repeat(levels) + ']'.repeat(levels);
  const record = turn([call('a', JSON.parse(text))]);
  expect(recordToOps(record)).toBeNull();
  expect(makeBundle(record)).toBeNull();
});
