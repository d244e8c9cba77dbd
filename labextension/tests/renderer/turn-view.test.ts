// A turn on the page, as a reader sees it.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CODE_EVENT, offerCodeActions } from '../../src/renderer/markdown/decorate-html';
import { TurnView } from '../../src/renderer/turn-view';
import { showTurn } from './turn-fixture';

const turn = showTurn('waiting', 'MiniMax-M2.7');
const { apply } = turn;

const find = (selector: string): HTMLElement | null => turn.el.querySelector<HTMLElement>(selector);
const text = (selector: string): string => find(selector)?.textContent ?? '';

describe('the header', () => {
  test('shows the model, the status and a running clock', () => {
    expect(text('.mm-model')).toBe('MiniMax-M2.7');
    expect(text('.mm-status')).toBe('waiting');
    vi.advanceTimersByTime(3000);
    expect(text('.mm-time')).toMatch(/^(2\.[89]|3\.[01]) s$/);
    apply(['state', { status: 'complete', seconds: 3.2, tokens_per_s: 41.7 }]);
    expect(text('.mm-time')).toBe('3.2 s');
    expect(text('.mm-speed')).toBe('42 tokens/s');
    vi.advanceTimersByTime(3000);
    expect(text('.mm-time')).toBe('3.2 s');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('has a Stop button only while the turn runs', () => {
    expect(find('.mm-stop')?.getAttribute('aria-label')).toBe('Stop this answer');
    apply(['state', { status: 'answering', stopping: true }]);
    expect(find('.mm-stop')).toHaveProperty('disabled', true);
    expect(text('.mm-stop')).toBe('stopping…');
    apply(['state', { status: 'stopped' }]);
    expect(find('.mm-stop')).toBeNull();
    expect(text('.mm-status')).toBe('stopped');
  });

  test('shows whether a turn is stale or replayed', () => {
    apply(['state', { status: 'complete', marks: ['replayed', 'unknown', 'stale'] }]);
    expect(text('.mm-marks')).toBe('stalereplayed');
    expect(find('.mm-stale')?.title).toContain('Run the cell again');
    apply(['state', { marks: [] }]);
    expect(text('.mm-marks')).toBe('');
    apply(['state', { marks: 'stale' }]);
    expect(text('.mm-marks')).toBe('');
  });
});

test('the code of a block is copied by the command of a browser without a clipboard', async () => {
  Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true });
  const copied: string[] = [];
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- what is tested
  document.execCommand = () => {
    const setData = (_type: string, copiedText: string): number => copied.push(copiedText);
    return window.dispatchEvent(Object.assign(new Event('copy'), { clipboardData: { setData } }));
  };
  apply(['open', 0, { type: 'text' }], ['add', 0, '```python\nx = 1\n```'], ['close', 0, {}]);
  find('.mm-copy')!.click();
  await vi.advanceTimersByTimeAsync(1);
  expect(copied).toEqual(['x = 1']);
  expect(text('.mm-copy')).toBe('Copied');
});

test('what is selected in a code block stays selected when the block is highlighted', () => {
  apply(['open', 0, { type: 'text' }], ['add', 0, 'See:\n\n```python\nx = 1\nprint(x)\n']);
  const code = find('.mm-text code')!;
  const selection = getSelection()!;
  const chunk = code.firstChild!.firstChild!;
  selection.setBaseAndExtent(chunk, 'x = 1\nprint'.length, chunk, 'x ='.length);
  apply(['add', 0, 'y = 2\n']);
  expect(selection.toString()).toBe(' 1\nprint');
  apply(['add', 0, '```\n\nThat is all.'], ['close', 0, {}]);
  expect(find('.mm-text code .hljs-built_in')).not.toBeNull();
  expect(selection.toString()).toBe(' 1\nprint');
  expect(selection.focusNode!.isConnected && selection.anchorNode!.isConnected).toBe(true);
  apply(['state', { status: 'complete', seconds: 2 }]);
  expect(selection.toString()).toBe(' 1\nprint');
});

describe('what the reader has selected stays selected to the end of the turn, in', () => {
  test.each(['.mm-model', '.mm-thinking-text', '.mm-text p', '.mm-text code', '.mm-tool-name'])(
    '%s',
    (selector) => {
      apply(
        ['open', 0, { type: 'thinking' }],
        ['add', 0, 'Let me see.'],
        ['open', 1, { type: 'text' }],
        ['add', 1, 'Some *words*.\n\n```\ncode\n```\n\nMore'],
        ['open', 2, { type: 'tool_use', id: 'a', name: 'look' }],
        ['add', 2, '{"at": 1}'],
      );
      const selection = getSelection()!;
      selection.selectAllChildren(find(selector)!);
      const selected = selection.toString();
      expect(selected).not.toBe('');
      apply(
        ['add', 1, ' words.'],
        ['close', 0, { seconds: 1 }],
        ['close', 1, {}],
        ['close', 2, {}],
      );
      apply(['tool', 2, { state: 'done', seconds: 1 }]);
      apply(['state', { status: 'complete', seconds: 2, usage: { output_tokens: 9 } }]);
      expect(selection.toString()).toBe(selected);
      expect(selection.anchorNode!.isConnected).toBe(true);
    },
  );
});

describe('thinking', () => {
  const details = (): HTMLDetailsElement => turn.el.querySelector('details')!;
  beforeEach(() => {
    apply(['open', 0, { type: 'thinking' }], ['add', 0, 'Let me *see*.\n']);
  });

  test('is open and plain while it streams, and folds to its duration', () => {
    expect(details().open).toBe(true);
    expect(text('.mm-thinking-text')).toBe('Let me *see*.\n');
    expect(text('summary')).toBe('Thinking…');
    apply(['close', 0, { seconds: 3.2 }]);
    expect(details().open).toBe(false);
    expect(text('summary')).toBe('Thought for 3.2 s');
  });

  test('folds when the answer starts', () => {
    apply(['open', 1, { type: 'text' }]);
    expect(details().open).toBe(false);
  });

  test('stays open when the reader has opened it by hand', () => {
    details().querySelector('summary')!.click();
    details().querySelector('summary')!.click();
    details().open = true;
    apply(['close', 0, {}]);
    expect(details().open).toBe(true);
  });

  test.each([
    [
      'has selected some of it',
      () => {
        getSelection()!.selectAllChildren(find('.mm-thinking-text')!);
      },
    ],
    [
      'has the focus in it',
      () => {
        find('summary')!.focus();
      },
    ],
  ])('stays open when the reader %s', (_name, read) => {
    find('summary')!.tabIndex = 0; // in jsdom a summary is not focusable
    read();
    apply(['close', 0, { seconds: 1 }]);
    expect(details().open).toBe(true);
  });

  test('folds when the reader has selected something else', () => {
    getSelection()!.selectAllChildren(find('.mm-model')!);
    apply(['close', 0, { seconds: 1 }]);
    expect(details().open).toBe(false);
  });

  test('is not folded again after the reader has unfolded it', () => {
    apply(['close', 0, { seconds: 1 }]);
    details().open = true;
    apply(['open', 1, { type: 'text' }], ['add', 1, 'x'], ['state', { status: 'complete' }]);
    expect(details().open).toBe(true);
  });
});

test('a tool call shows its name, its arguments as indented JSON, and its result', () => {
  apply(
    ['open', 0, { type: 'tool_use', id: 't1', name: 'add' }],
    ['add', 0, '{"a":1,'],
    ['add', 0, '"b":2}'],
  );
  expect(text('.mm-tool .mm-plain')).toBe('{"a":1,"b":2}');
  apply(['close', 0, {}]);
  expect(text('.mm-tool .mm-plain')).toBe('{\n  "a": 1,\n  "b": 2\n}');
  expect(text('summary')).not.toContain('running…');
  apply(
    ['open', 1, { type: 'tool_result', tool_use_id: 't1', is_error: false }],
    ['add', 1, '3'],
    ['close', 1, { seconds: 0.4 }],
  );
  expect(turn.el.querySelectorAll('.mm-tool')).toHaveLength(1);
  expect(text('.mm-tool > .mm-part:last-child .mm-plain')).toBe('3');
  expect(text('summary')).toBe('Tool add {"a": 1,"b": 2} done in 0.4 s');
});

const PNG = { data: 'iVBORw0KGgo=', media_type: 'image/png', type: 'base64' };
const IMAGES: [string, unknown, number, string][] = [
  ['of a harmless type', PNG, 1, ''],
  ['of another type', { ...PNG, media_type: 'image/svg+xml' }, 0, 'cannot be shown'],
  ['with data that ends the attribute', { ...PNG, data: 'AA" onerror="x' }, 0, 'cannot be shown'],
  ['behind a link', { type: 'url', url: 'https://example.org/x.png' }, 0, 'cannot be shown'],
  ['without a source', null, 0, 'cannot be shown'],
];

test.each(IMAGES)('an image %s in a result is shown below its text', (_, source, count, words) => {
  const content = [
    { type: 'text', text: 'See [image 1, 3×2]' },
    { type: 'image', source },
  ];
  const result = { type: 'tool_result', tool_use_id: 't1', content };
  const ops = [
    ['open', 0, { type: 'tool_use', id: 't1', name: 'plot', input: {} }],
    ['close', 0, {}],
    ['open', 1, { ...result, content: '' }],
    ['close', 1, { block: result }],
  ];
  apply(...ops);
  apply(['tool', 0, { state: 'done', seconds: 0.1 }]);
  expect(text('.mm-tool > .mm-part:last-child .mm-plain')).toBe('See [image 1, 3×2]');
  const images = [...turn.el.querySelectorAll<HTMLImageElement>('.mm-tool .mm-image img')];
  expect(images.map(({ src, alt }) => [src, alt])).toEqual(
    Array.from({ length: count }, () => [
      'data:image/png;base64,iVBORw0KGgo=',
      'image of the result',
    ]),
  );
  expect(text('.mm-tool .mm-image')).toContain(words);
  expect(find('details')).toHaveProperty('open', true);
  (find('details') as HTMLDetailsElement).open = false;
  apply(['state', { status: 'complete' }]);
  expect(find('details')).toHaveProperty('open', false);
});

test('a call shows its status, and requests no approval after the turn has ended', () => {
  apply(
    ['open', 0, { type: 'tool_use', id: '__proto__', name: 'run', input: {} }],
    ['close', 0, {}],
  );
  apply(['tool', 0, { state: 'asking' }]);
  expect(text('summary')).toContain('needs your approval');
  expect(text('[role=status]')).toBe('a tool call needs your approval');
  apply(['tool', 0, { state: 'running' }], ['tool', 0, { state: 'unheard-of' }]);
  expect(find('.mm-ask')).toBeNull();
  expect(text('summary')).toContain('running…');
  apply(['tool', 0, { state: 'interrupted', seconds: 1 }]);
  expect(text('summary')).toContain('interrupted');
  apply(['tool', 0, { state: 'asking' }], ['state', { status: 'stopped' }]);
  expect(find('.mm-ask')).toBeNull();
});

test('an answer that matches a schema is unfolded', () => {
  apply(['open', 0, { type: 'tool_use', id: 'a', name: 'final_answer', input: { n: 1 } }]);
  apply(['close', 0, {}]);
  expect(turn.el.querySelector('details')?.open).toBe(true);
  expect(text('.mm-tool .mm-plain')).toBe('{\n  "n": 1\n}');
});

test('results without their call, redacted thinking and unknown types are shown', () => {
  apply(
    ['open', 0, { type: 'tool_result', tool_use_id: 'gone', is_error: true }],
    ['add', 0, 'no such file'],
    ['open', 1, { type: 'redacted_thinking', data: 'x' }],
    ['open', 2, { type: 'hologram', size: 3 }],
    ['close', 2, {}],
  );
  expect(turn.el.textContent).toContain('Errorno such file');
  expect(text('.mm-redacted')).not.toBe('');
  expect(text('details summary')).toBe('Block of type hologram');
  expect(find('details')).toHaveProperty('open', false);
  expect(text('details .mm-plain')).toContain('"size": 3');
});

test('the footer shows tokens, cost, an unusual stop reason, notes and the error', () => {
  apply([
    'state',
    {
      status: 'failed',
      usage: {
        input_tokens: 1200,
        output_tokens: 34,
        cache_read_input_tokens: 1000,
        cache_creation_input_tokens: 0,
      },
      saved: '≈ $0.0002',
      window: '38 %',
      cost: '≈ $0.0012',
      stop_reason: 'refusal',
      error: '529 overloaded <b>',
      notes: ['top_k is ignored'],
    },
  ]);
  expect([...turn.el.querySelectorAll('.mm-fact')].map((fact) => fact.textContent)).toEqual([
    '1,200 tokens in',
    '34 out',
    '1,000 from cache',
    '≈ $0.0002 saved by the cache',
    '38 % of the window',
    '≈ $0.0012',
    'stop reason: refusal',
  ]);
  expect(text('.mm-error')).toBe('529 overloaded <b>');
  expect(text('.mm-note')).toBe('top_k is ignored');
  apply(['state', { status: 'complete', stop_reason: 'end_turn' }]);
  expect(text('.mm-facts')).not.toContain('stop reason');
});

test('a refusal is shown in the header and announced, but not repeated in the footer', () => {
  apply(['state', { status: 'answering' }]);
  apply(['state', { status: 'complete', stop_reason: 'refusal', usage: { output_tokens: 3 } }]);
  expect(text('.mm-status')).toBe('refused by the model');
  expect(find('.mm-header')).toHaveProperty('dataset.status', 'refused');
  expect(text('[role=status]')).toBe('refused by the model');
  expect(text('.mm-footer')).not.toContain('refusal');
});

test('a truncated turn shows max_tokens once, and no token counts of zero', () => {
  const usage = { input_tokens: 0, output_tokens: 0 };
  apply(['state', { status: 'truncated', stop_reason: 'max_tokens', usage }]);
  expect(text('.mm-status')).toBe('cut off by max_tokens');
  expect(text('.mm-footer')).toBe('');
});

test('only status changes are announced', () => {
  const announced = (): string => text('[role=status]');
  expect(announced()).toBe('');
  apply(['state', { status: 'answering' }]);
  expect(announced()).toBe('answering');
  apply(['open', 0, { type: 'text' }], ['add', 0, 'words']);
  expect(announced()).toBe('answering');
  apply(['state', { status: 'failed', error: 'no key' }]);
  expect(announced()).toBe('failed: no key');
  expect(turn.el.querySelectorAll('[aria-live], [role=alert], [role=status]')).toHaveLength(1);
});

test('a view that is created after the end shows everything and announces nothing', () => {
  apply(['open', 0, { type: 'text' }], ['add', 0, 'Hello'], ['state', { status: 'complete' }]);
  const late = new TurnView(document.body);
  late.update(turn.state);
  late.flush();
  expect(late.el.querySelector('.mm-text')?.textContent).toContain('Hello');
  expect(late.el.querySelector('[role=status]')?.textContent).toBe('');
  late.dispose();
});

test('a text that differs from its complete block is replaced', () => {
  apply(['open', 0, { type: 'text' }], ['add', 0, 'Helo']);
  apply(['close', 0, { block: { type: 'text', text: 'Hello **you**' } }]);
  expect(text('.mm-text').trim()).toBe('Hello you');
});

test('text that was cut off is drawn as complete when the turn ends', () => {
  apply(['open', 0, { type: 'text' }], ['add', 0, '```python\ndef f']);
  apply(['state', { status: 'stopped' }]);
  expect(text('.hljs-keyword')).toBe('def');
});

test('control and bidi characters are visible everywhere', () => {
  apply(
    ['open', 0, { type: 'text' }],
    ['add', 0, 'a\u202eb\u0007'],
    ['open', 1, { type: 'tool_use', id: 'i', name: 'x\u202ey' }],
    ['state', { status: 'failed', error: 'e\u0000' }],
  );
  expect(text('.mm-text').trim()).toBe('a[U+202E]b␇');
  expect(text('.mm-tool-name')).toBe('x[U+202E]y');
  expect(text('.mm-error')).toBe('e␀');
});

test('the style sheet is added to the document once', () => {
  new TurnView(document.body).dispose();
  expect(document.querySelectorAll('style[data-mm-magics]')).toHaveLength(1);
});

test('a code block can be copied', async () => {
  const writeText = vi.fn(() => Promise.resolve());
  Object.defineProperty(navigator, 'clipboard', { value: { writeText }, configurable: true });
  apply(['open', 0, { type: 'text' }], ['add', 0, '```python\nx = 1\n```'], ['close', 0, {}]);
  find('.mm-copy')?.click();
  await vi.advanceTimersByTimeAsync(0);
  expect(writeText).toHaveBeenCalledWith('x = 1');
  expect(text('.mm-copy')).toBe('Copied');
});

test.each(['```python\nx = 1\n', '- so:\n  ```python\n  x = 1\n'])(
  'code can be used only after its block is finished: %j',
  (text) => {
    offerCodeActions([ACTION]);
    apply(['open', 0, { type: 'text' }], ['add', 0, text]);
    expect(find('.mm-open .mm-code-action')).not.toBeNull();
    apply(['close', 0, {}], ['end', {}]);
    expect(find('.mm-code-action')).not.toBeNull();
    expect(find('.mm-open')).toBeNull();
  },
);

const ACTION = { name: 'insert', text: 'Insert below', done: 'Inserted', label: 'Insert it' };
const CODE_BLOCKS = '```python\nx = 1\n```\n\n```\ny\n```';

describe('an action on code', () => {
  const requested: unknown[] = [];
  const request = (event: Event): number => requested.push((event as CustomEvent).detail);
  const draw = (): void => {
    apply(['open', 0, { type: 'text' }], ['add', 0, CODE_BLOCKS], ['close', 0, {}]);
  };

  beforeEach(() => {
    requested.length = 0;
    document.body.addEventListener(CODE_EVENT, request);
  });

  afterEach(() => {
    document.body.removeEventListener(CODE_EVENT, request);
    offerCodeActions([]);
  });

  test('is requested from the host once, and its button says so', () => {
    offerCodeActions([ACTION]);
    draw();
    find('.mm-code-action')?.click();
    find('.mm-code-action')?.click();
    expect(requested).toEqual([{ name: 'insert', code: 'x = 1' }]);
    expect(text('.mm-code-action')).toBe('Inserted');
  });

  test('can be limited to languages', () => {
    offerCodeActions([{ ...ACTION, languages: ['python'] }]);
    draw();
    expect(document.querySelectorAll('.mm-code-action')).toHaveLength(1);
  });

  test('is not offered without a host, nor above what tools return', () => {
    draw();
    expect(find('.mm-code-action')).toBeNull();
    offerCodeActions([ACTION]);
    const call = { type: 'tool_use', id: 't', name: 'python', input: { code: 'x = 1' } };
    const content = '```python\nx = 1\n```';
    apply(['open', 1, call], ['close', 1, { block: call }]);
    apply(['open', 2, { type: 'tool_result', tool_use_id: 't', content }], ['close', 2, {}]);
    expect(text('.mm-tool')).toContain('x = 1');
    expect(find('.mm-code-action')).toBeNull();
  });

  test('cannot be written by a model', () => {
    offerCodeActions([ACTION]);
    const html = '<button class="mm-code-action" data-mm-action="insert">Insert below</button>';
    apply(['open', 0, { type: 'text' }], ['add', 0, `<div>${html}</div>`], ['close', 0, {}]);
    for (const button of document.querySelectorAll<HTMLElement>('.mm-body button')) button.click();
    expect(requested).toEqual([]);
  });
});
