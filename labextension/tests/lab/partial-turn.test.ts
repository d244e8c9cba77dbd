// The record and the output that a page makes of a turn whose kernel is gone.
import { describe, expect, it } from 'vitest';
import { partialOutput, partialRecord } from '../../src/lab/partial-turn';
import { makeBundle } from '../../src/lab/saved-bundle';
import { MIME_TYPE } from '../../src/protocol';
import { EMPTY, reduce, type TurnState } from '../../src/renderer/turn-state';

const USER = { role: 'user', content: [{ type: 'text', text: 'Hi.' }] };
const RECORD = {
  schema: 2,
  id: 't',
  status: 'stopped',
  model: 'MiniMax-M2.7',
  messages: [USER],
  responses: [],
  json: { 'params.x': '1.0' },
};
const CALL = { type: 'tool_use', id: 'c1', name: 'look', input: { path: 'a' } };
const RESULT = { type: 'tool_result', tool_use_id: 'c1', content: 'seen' };
const RESPONSE = { id: 'm1', model: 'M', usage: {}, seconds: 0.5 };

const state = (...ops: unknown[]): TurnState => reduce(EMPTY, [['record', RECORD], ...ops]);
const started = ['record', { messages: [], responses: [RESPONSE] }];
const call = [
  ['open', 0, { type: 'tool_use', id: 'c1', name: 'look', input: {} }],
  ['add', 0, '{"path": "a"}'],
  ['close', 0, { block: CALL, exact: '{"exact": 1.0}' }],
];
const answered = [
  ['open', 1, { ...RESULT, content: '' }],
  ['close', 1, { block: RESULT }],
  ['tool', 0, { state: 'done', seconds: 0.2 }],
];

describe('the record', () => {
  it('is missing if the kernel has not sent its part', () => {
    expect(partialRecord(EMPTY, 1, 'note')).toBeNull();
    expect(partialOutput(reduce(EMPTY, [['open', 0, { type: 'text' }]]), 1, 'surely')).toBeNull();
  });

  it('contains only the prompt if nothing was received', () => {
    expect(partialRecord(state(), 1, 'note')).toEqual({ ...RECORD, notes: ['note'] });
  });

  it('is the earlier answer if nothing was received and the kernel is surely gone', () => {
    const version = (id: string) => ({
      ...RECORD,
      id,
      messages: [USER, { role: 'assistant', content: [{ type: 'text', text: id }] }],
    });
    const record = { ...RECORD, versions: [version('second'), version('first')] };
    const asked = reduce(EMPTY, [['record', record]]);
    const shown = partialOutput(asked, 1, 'surely')!;
    expect(shown.data[MIME_TYPE]).toMatchObject({
      id: 'second',
      versions: [version('first')],
      newer: 0,
    });
    expect(shown.metadata).toEqual({
      [MIME_TYPE]: {
        notes: ['No response was received this time; this is the earlier answer.'],
      },
    });
    for (const lost of ['perhaps', null] as const)
      expect(partialOutput(asked, 1, lost)!.data[MIME_TYPE]).toMatchObject({ id: 't' });
    const received = reduce(asked, [started, ['open', 0, { type: 'text' }], ['add', 0, 'A']]);
    expect(partialOutput(received, 1, 'surely')!.data[MIME_TYPE]).toMatchObject({ id: 't' });
  });

  it('contains a call and its result, and the exact text of what a save changes', () => {
    const record = partialRecord(state(started, ...call, ...answered), 2, 'note');
    expect(record).toEqual({
      ...RECORD,
      messages: [USER, { role: 'assistant', content: [CALL] }, { role: 'user', content: [RESULT] }],
      responses: [
        { ...RESPONSE, seconds: 2, tools: [{ id: 'c1', outcome: 'done', seconds: 0.2 }] },
      ],
      json: { 'params.x': '1.0', 'messages.1.content.0': '{"exact": 1.0}' },
      notes: ['note'],
    });
  });

  it('contains a call that runs or waits for approval without a result', () => {
    for (const status of ['asking', 'decided', 'running']) {
      const waiting = state(started, ...call, ['tool', 0, { state: status }]);
      const record = partialRecord(waiting, 2, 'note')!;
      expect(record['messages']).toHaveLength(2);
      expect(record['responses']).toEqual([{ ...RESPONSE, seconds: 2 }]);
    }
  });

  it('keeps the text of arguments that are not complete', () => {
    const cut = state(started, ['open', 0, { ...CALL, input: {} }], ['add', 0, '{"path": "']);
    const record = partialRecord(cut, 2, 'note')!;
    expect(record['messages']).toEqual([
      USER,
      { role: 'assistant', content: [{ ...CALL, input: {} }] },
    ]);
    expect(record['responses']).toEqual([
      { ...RESPONSE, seconds: 2, unfinished: 0, partial_json: '{"path": "' },
    ]);
  });

  it('adds the message that was being received to the complete rounds before it', () => {
    const first = [
      { role: 'assistant', content: [CALL] },
      { role: 'user', content: [RESULT] },
    ];
    const responses = [RESPONSE, { ...RESPONSE, id: 'm2', seconds: 0.1 }];
    const second = state(
      started,
      ...call,
      ...answered,
      ['record', { messages: first, responses }],
      ['open', 2, { type: 'odd', value: 1 }],
      ['close', 2, { block: { type: 'odd', value: 2 } }],
      ['open', 3, { type: 'text' }],
      ['add', 3, 'I see'],
    );
    const record = partialRecord(second, 2, 'note')!;
    expect(record['messages']).toEqual([
      USER,
      ...first,
      {
        role: 'assistant',
        content: [
          { type: 'odd', value: 2 },
          { type: 'text', text: 'I see' },
        ],
      },
    ]);
    expect(record['responses']).toEqual([
      RESPONSE,
      { ...RESPONSE, id: 'm2', seconds: 1.5, unfinished: 1 },
    ]);
  });
});

describe('the output', () => {
  const output = (...ops: unknown[]): Record<string, string> =>
    partialOutput(state(started, ...ops), 1, 'surely')!.data as Record<string, string>;
  const answer = (text: string): Record<string, string> =>
    output(['open', 0, { type: 'text' }], ['add', 0, text]);

  it('looks like that of a complete turn, with a note', () => {
    const text = '# Title\n\n$x^2$ ![c](https://e.org/x.png) `code`';
    const data = answer(text);
    const record = data[MIME_TYPE] as unknown as Record<string, unknown>;
    const note = record['notes'] as [string];
    expect(note).toHaveLength(1);
    expect(data).toEqual(makeBundle(record));
    const complete = makeBundle({ ...record, notes: [] })!;
    const beforeFooter = (html: unknown): string => String(html).split('<footer>')[0]!;
    expect(beforeFooter(data['text/html'])).toBe(beforeFooter(complete['text/html']));
    expect(data['text/html']).toContain('\\(x^2\\)');
    for (const type of ['text/html', 'text/markdown', 'text/plain'])
      expect(data[type]).toContain(note[0]);
  });

  it('shows the arguments of a call as far as they were received', () => {
    const data = output(['open', 0, { ...CALL, input: {} }], ['add', 0, '{"path": "/et']);
    expect(data['text/html']).toContain('<pre>{"path": "/et</pre>');
  });

  it('says that the answer is not complete, also if nothing was received', () => {
    const { data, metadata } = partialOutput(state(), 1, null)!;
    for (const type of ['text/html', 'text/markdown', 'text/plain'])
      expect(data[type]).toContain('The answer was not complete when the notebook was saved.');
    expect(JSON.stringify(metadata)).toContain('"partial":"running"');
  });

  it('keeps the record of a kernel that writes another schema', () => {
    const record = { ...RECORD, schema: 3 };
    const { data } = partialOutput(reduce(EMPTY, [['record', record]]), 1, 'surely')!;
    expect(data[MIME_TYPE]).toMatchObject(record);
    expect(data['text/plain']).toContain('kernel');
  });
});
