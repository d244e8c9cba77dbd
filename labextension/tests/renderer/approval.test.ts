// The question about a tool call: what it shows is what the kernel asks, and how it can be answered.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { CallQuestion } from '../../src/protocol';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { EMPTY, reduce, type TurnState } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';
import { WAIT_MS, type Decision } from '../../src/renderer/views/approval-view';
import { questionWith } from '../question';

let state: TurnState;
let view: TurnView;
const decided: [string, Decision][] = [];

function apply(...ops: unknown[]): void {
  state = reduce(state, ops);
  view.update(state);
  view.flush();
}

const all = (selector: string): HTMLElement[] => [
  ...view.el.querySelectorAll<HTMLElement>(selector),
];
const text = (selector: string): string => all(selector)[0]?.textContent ?? '';
const buttons = (): HTMLButtonElement[] => all('.mm-choices button') as HTMLButtonElement[];

function call(key: number, id: string, input: unknown, more: object = {}): unknown[] {
  const block = { type: 'tool_use', id, name: 'shell', input, ...more };
  return [
    ['open', key, { ...block, input: {} }],
    ['close', key, { block }],
  ];
}

function ask(key: number, question: CallQuestion): unknown {
  return ['tool', key, { state: 'asking', question }];
}

beforeEach(() => {
  vi.useFakeTimers();
  document.body.replaceChildren();
  decided.length = 0;
  state = EMPTY;
  view = new TurnView(document.body, {
    onDecide: ({ id }, decision) => decided.push([id, decision]),
  });
  apply(['state', { status: 'waiting', model: 'MiniMax-M2.7' }]);
});

afterEach(() => {
  view.dispose();
  vi.useRealTimers();
});

describe('what is shown', () => {
  const evil = { command: 'rm -r data' };

  test.each([
    ['a text that was streamed', [['add', 0, '{"command": "ls"}']], {}],
    ['a text in the block', [], { text: '{"command": "ls"}' }],
    ['content in the block', [], { content: '{"command": "ls"}' }],
    ['thinking in the block', [], { thinking: 'ls', reasoning_content: 'ls' }],
    ['another input in the block', [], { input: { command: 'ls' } }],
    ['another name in the block', [], { name: 'ls' }],
  ])('is what the kernel asks, not %s', (_, streamed, more) => {
    const [open, close] = call(0, 'a', evil, more);
    apply(open, ...streamed, close, ask(0, questionWith('rm -r data')));
    expect(text('.mm-ask .mm-box')).toBe('rm -r data');
    expect(text('.mm-ask code')).toBe('shell');
    expect(text('summary')).toContain('shell');
    const visibleText = view.el.cloneNode(true) as HTMLElement;
    for (const hidden of visibleText.querySelectorAll('[hidden]')) hidden.remove();
    expect(visibleText.textContent).not.toMatch(/\bls\b(?! in)/);
  });

  test('is the whole call that the kernel runs by a rule, without a question', () => {
    apply(...call(0, 'a', { cell: '#9f2a' }));
    expect(text('.mm-tool')).toContain('#9f2a');
    apply(['tool', 0, { state: 'running', question: questionWith('print(1)') }]);
    expect(text('.mm-tool .mm-box')).toBe('print(1)');
    expect(all('.mm-ask, .mm-choices')).toEqual([]);
    apply(['tool', 0, { state: 'done', seconds: 1 }]);
    expect(text('.mm-tool .mm-box')).toBe('print(1)');
  });

  test('says in the header that the turn needs approval', () => {
    apply(...call(0, 'a', evil), ask(0, questionWith('x')));
    expect(text('.mm-status')).toBe('needs your approval');
    expect(text('[role=status]')).toBe('a tool call needs your approval');
    apply(['tool', 0, { state: 'running' }]);
    expect(text('.mm-status')).toBe('waiting');
  });

  test.each([
    ['python', 'import os\nif True:\n    print("é 1.0")'],
    ['bash', 'echo "<b>&amp;</b>" | cat'],
    ['diff', '--- now\n+++ proposed\n-a\n+<script>b</script>'],
    ['json', '{\n  "amount": 9007199254740993\n}'],
    ['', 'plain <i>text</i>'],
    ['unknown', 'x'],
  ])('is exactly the text, with the colors of %s', (language, shown) => {
    const parts = [{ label: 'code', language, text: shown, size: '' }];
    apply(...call(0, 'a', {}), ask(0, questionWith('', { parts })));
    expect(text('.mm-ask .mm-box')).toBe(shown);
    expect(all('.mm-ask script, .mm-ask i, .mm-ask b')).toHaveLength(0);
    expect(all('.mm-ask [class^=hljs]').length > 0).toBe(!['', 'unknown'].includes(language));
  });

  test('is also shown after the decision', () => {
    apply(...call(0, 'a', evil, { text: 'ls' }), ask(0, questionWith('rm -r data')));
    apply(['tool', 0, { state: 'running' }]);
    expect(all('.mm-ask')).toHaveLength(0);
    expect(text('.mm-call .mm-box')).toBe('rm -r data');
  });

  test('a malformed question is not asked', () => {
    apply(...call(0, 'a', evil));
    for (const question of [
      5,
      {},
      { ...questionWith('x'), parts: [5] },
      { ...questionWith('x'), id: 1 },
    ])
      apply(['tool', 0, { state: 'asking', question }]);
    expect(all('.mm-ask')).toHaveLength(0);
  });
});

describe('the answer', () => {
  test('is ignored in the first 500 ms', () => {
    apply(...call(0, 'a', {}), ask(0, questionWith('ls')));
    for (const button of buttons()) {
      button.click();
      button.dispatchEvent(new MouseEvent('click'));
    }
    vi.advanceTimersByTime(WAIT_MS - 1);
    for (const button of buttons()) button.click();
    all('.mm-reason')[0]!.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
    expect(decided).toEqual([]);
    vi.advanceTimersByTime(1);
    buttons()[0]!.click();
    expect(decided).toEqual([['q1', { allowed: true, always: false, reason: '' }]]);
  });

  test('waits again for the next question', () => {
    apply(...call(0, 'a', {}), ask(0, questionWith('ls')));
    vi.advanceTimersByTime(WAIT_MS);
    apply(ask(0, questionWith('rm', { id: 'q2' })));
    expect(text('.mm-ask .mm-box')).toBe('rm');
    buttons()[0]!.click();
    expect(decided).toEqual([]);
    vi.advanceTimersByTime(WAIT_MS);
    buttons()[0]!.click();
    expect(decided.map(([id]) => id)).toEqual(['q2']);
  });

  test('can allow the call only after it was shown to its end', () => {
    const size = { scrollHeight: 900, clientHeight: 300, scrollTop: 0 };
    for (const name of ['scrollHeight', 'clientHeight'] as const)
      vi.spyOn(Element.prototype, name, 'get').mockImplementation(() => size[name]);
    apply(...call(0, 'a', {}), ask(0, questionWith('ls\n'.repeat(100))));
    vi.advanceTimersByTime(WAIT_MS);
    expect(buttons().map((each) => each.disabled)).toEqual([true, true, false]);
    expect(all('.mm-scroll-hint')[0]!.hidden).toBe(false);
    const box = all('.mm-ask .mm-box')[0]!;
    box.scrollTop = 500;
    box.dispatchEvent(new Event('scroll'));
    expect(buttons()[0]!.disabled).toBe(true);
    box.scrollTop = 600;
    box.dispatchEvent(new Event('scroll'));
    expect(buttons().map((each) => each.disabled)).toEqual([false, false, false]);
    expect(all('.mm-scroll-hint')[0]!.hidden).toBe(true);
    vi.restoreAllMocks();
  });
});

describe('one id in two rounds', () => {
  const result = (key: number, content: string): unknown => [
    'open',
    key,
    { type: 'tool_result', tool_use_id: 'a', content },
  ];

  test('has a question of its own, and the first call is not asked about again', () => {
    apply(...call(0, 'a', { command: 'ls' }), ask(0, questionWith('ls')));
    apply(['tool', 0, { state: 'done' }], result(1, 'one'));
    apply(...call(2, 'a', { command: 'rm' }), ask(2, questionWith('rm', { id: 'q2' })));
    expect(all('.mm-ask')).toHaveLength(1);
    expect(all('.mm-tool')[0]!.querySelector('.mm-ask')).toBeNull();
    expect(text('.mm-ask .mm-box')).toBe('rm');
    vi.advanceTimersByTime(WAIT_MS);
    buttons()[0]!.click();
    expect(decided.map(([id]) => id)).toEqual(['q2']);
  });

  test('has its own state and result in a saved turn', () => {
    const use = (command: string) => ({
      role: 'assistant',
      content: [{ type: 'tool_use', id: 'a', name: 'shell', input: { command } }],
    });
    const answer = (content: string) => ({
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: 'a', content }],
    });
    const tools = (outcome: string) => ({ usage: {}, tools: [{ id: 'a', outcome, seconds: 1 }] });
    const record = {
      schema: 2,
      status: 'complete',
      messages: [
        { role: 'user', content: 'x' },
        use('ls'),
        answer('one'),
        use('rm'),
        answer('two'),
      ],
      responses: [tools('done'), tools('denied')],
    };
    apply(...recordToOps(record)!);
    const shown = all('.mm-tool').map((each) => each.textContent);
    expect(shown).toHaveLength(2);
    expect(shown[0]).toMatch(/done.*ls.*one/s);
    expect(shown[1]).toMatch(/denied.*rm.*two/s);
    expect(shown[0]).not.toContain('two');
  });
});

test('a saved call shows numbers as they were, from its exact text', () => {
  const block = { type: 'tool_use', id: 'a', name: 'pay', input: { amount: 1 } };
  const exact = JSON.stringify(block).replace('1}', '9007199254740993}');
  const input = { amount: Number('9007199254740993') };
  const record = {
    schema: 2,
    status: 'complete',
    messages: [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: [{ ...block, input }] },
    ],
    responses: [{ usage: {} }],
    json: { 'messages.1.content.0': exact },
  };
  apply(...recordToOps(record)!);
  expect(text('.mm-call .mm-box')).toBe('{\n  "amount": 9007199254740993\n}');
  const edited = { ...record, json: { 'messages.1.content.0': exact.replace('pay', 'look') } };
  view.dispose();
  view = new TurnView(document.body);
  state = EMPTY;
  apply(...recordToOps(edited)!);
  expect(text('.mm-tool-name')).toBe('pay');
  expect(text('.mm-call .mm-box')).toBe('{\n  "amount": 9007199254740992\n}');
});
