// A saved record is drawn like the stream that it was made from.
import { describe, expect, it } from 'vitest';
import { recordToOps } from '../../src/renderer/record-to-ops';
import { EMPTY, reduce } from '../../src/renderer/turn-state';
import { TurnView } from '../../src/renderer/turn-view';

const RECORD = {
  schema: 1,
  id: '0',
  thread: 'main',
  cell_id: null,
  created: '2026-11-24T00:00:00Z',
  status: 'complete',
  model: 'MiniMax-M2.7',
  system: null,
  params: {},
  messages: [
    { role: 'user', content: [{ type: 'text', text: 'Hi.' }] },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Let me see.', signature: 's' },
        { type: 'tool_use', id: 'a', name: 'look', input: { at: 1 } },
      ],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: 'seen' }] },
    { role: 'assistant', content: [{ type: 'text', text: '**Done** <script>1</script>' }] },
  ],
  responses: [
    {
      stop_reason: 'tool_use',
      usage: { input_tokens: 10, output_tokens: 2 },
      seconds: 1,
      thinking_s: 0.7,
    },
    { stop_reason: 'end_turn', usage: { input_tokens: 20, output_tokens: 3 }, seconds: 2 },
  ],
  request_sha256: '',
  error: null,
};

function drawn(record: unknown): HTMLElement {
  const root = document.createElement('div');
  const view = new TurnView(root);
  view.update(reduce(EMPTY, recordToOps(record)));
  view.flush();
  return root;
}

describe('a turn record', () => {
  const withImage = (source: unknown): typeof RECORD => ({
    ...RECORD,
    messages: [
      {
        role: 'user',
        content: [{ type: 'image', source } as never, { type: 'text', text: 'Hi.' }],
      },
      ...RECORD.messages.slice(1),
    ],
  });

  it('shows the images of the prompt above the answer', () => {
    const source = { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' };
    const body = drawn(withImage(source)).querySelector('.mm-body')!;
    expect(body.querySelector('img')!.src).toBe('data:image/png;base64,iVBORw0KGgo=');
    expect(body.firstElementChild!.className).toBe('mm-image');
    expect(body.querySelectorAll('img')).toHaveLength(1);
  });

  it.each([
    { type: 'url', url: 'https://example.org/x.png' },
    { type: 'base64', media_type: 'image/svg+xml', data: 'AAAA' },
    { type: 'base64', media_type: 'text/html', data: 'AAAA' },
    { type: 'base64', media_type: 'image/png', data: 'AAAA" onerror="x' },
    { type: 'base64', media_type: 'image/png', data: 5 },
    'https://example.org/x.png',
    null,
  ])('loads nothing for an image with the source %j', (source) => {
    const root = drawn(withImage(source));
    expect(root.querySelector('img')).toBeNull();
    expect(root.querySelector('.mm-image')!.textContent).toBe('image that cannot be shown here');
  });

  it('shows the effort, and a cost that was recorded before one that is known', () => {
    const [first, last] = RECORD.responses;
    const root = drawn({
      ...RECORD,
      params: { output_config: { effort: 'low' } },
      responses: [
        { ...first, cost: 1.5 },
        { ...last, cost: 2 },
      ],
    });
    expect(root.querySelector('.mm-facts')!.textContent).toMatch(/^effort low.*≈ \$3\.50/);
  });

  it.each([
    [512_000, '≈ $0.1536'],
    [512_001, '≈ $0.3072'],
  ])('prices %i input tokens of MiniMax-M3 at %s', (input_tokens, cost) => {
    const responses = [{ stop_reason: 'end_turn', usage: { input_tokens }, seconds: 1 }];
    const root = drawn({ ...RECORD, model: 'MiniMax-M3', responses });
    expect(root.querySelector('.mm-facts')!.textContent).toContain(cost);
  });

  it('shows how much of the window is in use, and what the cache saved', () => {
    const usage = { input_tokens: 10_000, cache_read_input_tokens: 70_000, output_tokens: 1_920 };
    const [first] = RECORD.responses;
    const root = drawn({ ...RECORD, model: 'MiniMax-M2.7', responses: [{ ...first, usage }] });
    const facts = [...root.querySelectorAll('.mm-fact')].map(({ textContent }) => textContent);
    expect(facts).toContain('40 % of the window');
    expect(facts).toContain('≈ $0.0168 saved by the cache');
  });

  it('shows the summary of earlier turns above the answer, folded, and counts its cost', () => {
    const usage = { input_tokens: 1_000_000, output_tokens: 0 };
    const compacted = {
      turns: ['a', 'b'],
      summary: 'Turn 1: <b>reefs</b>.',
      tokens: [38_000, 1_900],
      responses: [{ usage, seconds: 1 }],
    };
    const root = drawn({ ...RECORD, model: 'MiniMax-M2.7', schema: 2, compacted });
    const shown = root.querySelector<HTMLDetailsElement>('.mm-thinking')!;
    expect(shown.querySelector('summary')!.textContent).toBe(
      '2 turns summarized · 38,000 → 1,900 tokens',
    );
    expect(shown.open).toBe(false);
    expect(shown.querySelector('.mm-thinking-text')!.textContent).toBe('Turn 1: <b>reefs</b>.');
    expect(root.querySelector('.mm-facts')!.textContent).toMatch(/≈ \$0\.30/);
    for (const damaged of [7, { turns: 7 }, { summary: '', turns: [] }, { turns: [] }])
      expect(drawn({ ...RECORD, schema: 2, compacted: damaged }).textContent).not.toContain(
        'summarized',
      );
  });

  it('shows its notes', () => {
    const root = drawn({ ...RECORD, schema: 2, notes: ['<b>No more tools</b> were called.'] });
    expect(root.querySelector('.mm-note')?.textContent).toBe('<b>No more tools</b> were called.');
    expect(drawn({ ...RECORD, notes: 7 }).querySelector('.mm-note')).toBeNull();
  });

  it('shows its thinking, tool call, result and text, and what it cost', () => {
    const root = drawn(RECORD);
    expect(root.querySelector('strong')?.textContent).toBe('Done');
    expect(root.querySelector('script')).toBeNull();
    expect(root.textContent).toContain('Thought for 0.7 s');
    expect(root.textContent).toContain('look');
    expect(root.textContent).toContain('seen');
    expect(root.textContent).toContain('30 tokens in');
    expect(root.textContent).not.toContain('Hi.');
  });

  it('shows how it ended', () => {
    expect(drawn({ ...RECORD, status: 'failed', error: 'It broke.' }).textContent).toContain(
      'It broke.',
    );
    expect(drawn({ ...RECORD, status: 'stopped' }).textContent).toContain('stopped');
  });

  it('times the thinking of a message once, and knows the speed from the first token on', () => {
    const twice = {
      ...RECORD,
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'A.' },
            { type: 'thinking', thinking: 'B.' },
          ],
        },
      ],
      responses: [{ usage: { output_tokens: 30 }, first_token_s: 1, thinking_s: 0.7, seconds: 3 }],
    };
    const summaries = [...drawn(twice).querySelectorAll('summary')].map((each) => each.textContent);
    expect(summaries).toEqual(['Thought for 0.7 s', 'Thinking']);
    expect(drawn(twice).textContent).toContain('15 tokens/s');
  });

  it('shows how each tool call ended', () => {
    const use = (id: string): unknown => ({
      type: 'tool_use',
      id,
      name: 'look',
      input: { at: id },
    });
    const result = (id: string): unknown => ({
      type: 'tool_result',
      tool_use_id: id,
      content: 'x',
    });
    const tools = [
      { id: 'a', outcome: 'done', seconds: 0.3 },
      { id: 'b', outcome: 'denied', seconds: 0 },
    ];
    const called = {
      ...RECORD,
      messages: [
        { role: 'assistant', content: [use('a'), use('b')] },
        { role: 'user', content: [result('a'), result('b')] },
      ],
      responses: [{ usage: {}, tools }],
    };
    const summaries = [...drawn(called).querySelectorAll('summary')].map(
      (each) => each.textContent,
    );
    expect(summaries).toEqual([
      'Tool look {"at": "a"} done in 0.3 s',
      'Tool look {"at": "b"} denied',
    ]);
  });

  it('shows the cost if the price is known', () => {
    const usage = {
      input_tokens: 1_000,
      output_tokens: 2_000,
      cache_read_input_tokens: 10_000,
      cache_creation_input_tokens: 4_000,
    };
    const priced = { ...RECORD, model: 'MiniMax-M2.7', responses: [{ usage }, { usage }] };
    expect(drawn(priced).textContent).toContain('≈ $0.0096');
    expect(drawn({ ...priced, model: 'Unheard-Of' }).textContent).not.toContain('$');
  });

  it('shows an answer whose content is a plain string', () => {
    const plain = { ...RECORD, messages: [{ role: 'assistant', content: '*Yes*' }] };
    expect(drawn(plain).querySelector('em')?.textContent).toBe('Yes');
  });

  it('shows the partial arguments of a truncated call', () => {
    const cut = {
      ...RECORD,
      status: 'truncated',
      messages: [
        { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'look', input: {} }] },
      ],
      responses: [{ unfinished: 0, partial_json: '{"at": 1' }],
    };
    expect(drawn(cut).querySelector('.mm-tool')?.textContent).toContain('{"at": 1');
  });

  it.each([
    null,
    7,
    [],
    {},
    { ...RECORD, schema: 3 },
    { ...RECORD, messages: 7 },
    { ...RECORD, status: 'answering' },
    { ...RECORD, status: null },
  ])('is rejected if it is %j', (record) => {
    expect(recordToOps(record)).toBeNull();
  });

  it('is drawn despite malformed parts', () => {
    const odd = {
      ...RECORD,
      responses: 7,
      messages: [7, null, { role: 'assistant', content: [7, {}, { type: 'new' }] }],
    };
    expect(() => drawn(odd)).not.toThrow();
  });
});
