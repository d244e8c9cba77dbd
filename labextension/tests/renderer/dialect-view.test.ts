// Answers in the dialect of models of this family, on the page: live, saved, and saved by the page.
import { describe, expect, it } from 'vitest';
import { questionWith } from '../question';
import { partialOutput, partialRecord } from '../../src/lab/partial-turn';
import { makeBundle } from '../../src/lab/saved-bundle';
import { MIME_TYPE } from '../../src/protocol';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { continues, EMPTY, reduce } from '../../src/renderer/turn-state';
import { showTurn } from './turn-fixture';

const ANSWER = '<think>\nLet me **see**.\n</think>\n\nA *reef*.';
const CALL_TEXT =
  'I look.\n<minimax:tool_call>\n<invoke name="look">\n</invoke>\n</minimax:tool_call>';
const USER = { role: 'user', content: [{ type: 'text', text: 'Hi.' }] };
const RECORD = {
  schema: 2,
  status: 'complete',
  model: 'M',
  messages: [USER, { role: 'assistant', content: [{ type: 'text', text: ANSWER }] }],
  responses: [],
};
const CALLED = {
  ...RECORD,
  messages: [
    USER,
    { role: 'assistant', content: [{ type: 'text', text: CALL_TEXT }] },
    { role: 'user', content: [{ type: 'text', text: 'look returned:\nseen' }] },
    { role: 'assistant', content: [{ type: 'text', text: 'Done.' }] },
  ],
  responses: [
    {
      tools: [{ id: 'in_text_1_1', outcome: 'done', seconds: 0.1, name: 'look', input: { a: 1 } }],
    },
    {},
  ],
};

const turn = showTurn('answering', 'M');
const { apply } = turn;

const shown = (): (string | null)[] =>
  [...turn.el.querySelectorAll('.mm-thinking-text, .mm-text')].map(
    (el) => `${el.className.includes('thinking') ? 'thinking' : 'text'}: ${el.textContent.trim()}`,
  );

describe('thinking in a text', () => {
  it.each([1, 3, 1_000])('is shown as thinking while it streams in pieces of %i', (size) => {
    apply(['open', 0, { type: 'text', text: '' }]);
    for (let at = 0; at < ANSWER.length; at += size) apply(['add', 0, ANSWER.slice(at, at + size)]);
    expect(shown()).toEqual(['thinking: Let me **see**.', 'text: A reef.']);
    apply(
      ['close', 0, { block: { type: 'text', text: ANSWER } }],
      ['state', { status: 'complete' }],
    );
    expect(shown()).toEqual(['thinking: Let me **see**.', 'text: A reef.']);
    expect(turn.el.querySelector('em')?.textContent).toBe('reef');
    expect(turn.el.querySelector<HTMLDetailsElement>('.mm-thinking')?.open).toBe(false);
    expect(turn.state.blocks[0]?.text).toBe(ANSWER);
  });

  it('is shown the same from a record, and keeps its elements', () => {
    apply(['open', 0, { type: 'text', text: '' }], ['add', 0, ANSWER]);
    apply(['close', 0, { block: { type: 'text', text: ANSWER } }]);
    const thinking = turn.el.querySelector('.mm-thinking');
    const saved = reduce(EMPTY, recordToOps(RECORD)!);
    turn.show(continues(turn.state, saved)!);
    expect(shown()).toEqual(['thinking: Let me **see**.', 'text: A reef.']);
    expect(turn.el.querySelector('.mm-thinking')).toBe(thinking);
  });

  it('without its end is thinking to the end', () => {
    apply(['open', 0, { type: 'text' }], ['add', 0, 'Hm.\n<think>\nWhy'], ['close', 0, {}]);
    expect(shown()).toEqual(['text: Hm.', 'thinking: Why']);
  });

  it('is folded in what the page saves, and not in its text', () => {
    const bundle = makeBundle(RECORD)!;
    expect(bundle['text/html']).toContain(
      '<summary>Thinking</summary><pre>Let me **see**.\n</pre>',
    );
    expect(bundle['text/markdown']).toBe('A *reef*.');
    const partial = partialOutput(
      reduce(EMPTY, [
        ['record', { ...RECORD, messages: [USER] }],
        ['open', 0, { type: 'text' }],
        ['add', 0, ANSWER],
      ]),
      1,
      'surely',
    )!;
    expect(partial.data['text/html']).toContain('<summary>Thinking</summary>');
    expect(partial.data['text/markdown']).toMatch(/^A \*reef\*\.\n/);
    expect(JSON.stringify(partial.data[MIME_TYPE])).toContain('<think>');
  });

  it('is text, not markup', () => {
    apply(
      ['open', 0, { type: 'text' }],
      ['add', 0, '<think><img src=x onerror=alert(1)></think>A'],
    );
    apply(['close', 0, {}]);
    expect(turn.el.querySelector('img')).toBeNull();
    expect(shown()).toEqual(['thinking: <img src=x onerror=alert(1)>', 'text: A']);
  });
});

describe('thinking in a field of its own', () => {
  it('is shown above the text while it streams, and stays a field in the record', () => {
    apply(['record', { ...RECORD, messages: [USER] }], ['open', 0, { type: 'text' }]);
    apply(['think', 0, 'Let me ']);
    apply(['think', 0, 'see.']);
    expect(shown()).toEqual(['thinking: Let me see.']);
    apply(['add', 0, 'A reef.']);
    const block = { type: 'text', text: 'A reef.', reasoning_content: 'Let me see.' };
    expect(partialRecord(turn.state, 1, 'note')?.['messages']).toEqual([
      USER,
      { role: 'assistant', content: [block] },
    ]);
    apply(['close', 0, { block: { type: 'text', reasoning_content: 'Let me see.' } }]);
    expect(shown()).toEqual(['thinking: Let me see.', 'text: A reef.']);
    const record = { ...RECORD, messages: [USER, { role: 'assistant', content: [block] }] };
    expect(makeBundle(record)?.['text/html']).toContain('<pre>Let me see.</pre>');
  });
});

describe('a call in a text', () => {
  const head = { type: 'tool_use', id: 'in_text_1_1', name: 'look', in_text: true };
  const live = [
    ['record', { ...RECORD, messages: [USER], responses: [{ id: 'm' }] }],
    ['open', 0, { type: 'text' }],
    ['add', 0, CALL_TEXT],
    ['close', 0, { block: { type: 'text', text: CALL_TEXT } }],
    ['open', 1, head],
    ['close', 1, { block: { ...head, input: { a: 1 } } }],
  ];

  it('asks for approval like any other call', () => {
    apply(...live, [
      'tool',
      1,
      { state: 'asking', question: questionWith('{}', { name: 'look' }) },
    ]);
    expect(turn.el.querySelector('.mm-tool-name')?.textContent).toBe('look');
    expect(turn.el.querySelectorAll('.mm-ask button')).toHaveLength(3);
  });

  it('is not a block of the record that the page saves, and its result is text', () => {
    const result = { type: 'tool_result', tool_use_id: head.id, content: 'seen' };
    apply(...live, ['open', 2, { ...result, content: '' }], ['close', 2, { block: result }]);
    apply(['tool', 1, { state: 'done', seconds: 0.1 }]);
    const record = partialRecord(turn.state, 1, 'note')!;
    expect(record['messages']).toEqual(CALLED.messages.slice(0, 3));
    expect(record['responses']).toMatchObject([{ tools: CALLED.responses[0]!.tools }]);
  });

  it('shows the images of its result, and keeps them in what the page saves', () => {
    const source = { data: 'iVBORw0KGgo=', media_type: 'image/png', type: 'base64' };
    const image = { type: 'image', source };
    const content = [{ type: 'text', text: '[image 1, 3×2]' }, image];
    const result = { type: 'tool_result', tool_use_id: head.id, content };
    apply(...live, ['open', 2, { ...result, content: '' }], ['close', 2, { block: result }]);
    apply(['tool', 1, { state: 'done', seconds: 0.1 }]);
    expect(turn.el.querySelectorAll('.mm-tool img')).toHaveLength(1);
    const record = partialRecord(turn.state, 1, 'note')!;
    const sent = [{ type: 'text', text: 'look returned:\n[image 1, 3×2]' }, image];
    expect(record['messages']).toMatchObject([{}, {}, { role: 'user', content: sent }]);
    const html = makeBundle(record)?.['text/html'] as string;
    expect(html.match(/<img/g)).toHaveLength(1);
    apply(...recordToOps(record)!);
    expect(turn.el.querySelectorAll('.mm-tool img')).toHaveLength(1);
  });

  it('is shown from a record with its arguments and its result', () => {
    apply(...recordToOps(CALLED)!);
    expect(turn.el.querySelector('.mm-tool-name')?.textContent).toBe('look');
    expect(turn.el.querySelector('.mm-tool')?.textContent).toContain('look returned:\nseen');
    expect(makeBundle(CALLED)?.['text/html']).toContain('Tool: look');
  });
});
