// Switching the version of an answer on the page: the output that is saved, and what the kernel receives.
import type { RenderMimeRegistry } from '@jupyterlab/rendermime';
import { beforeEach, describe, expect, it } from 'vitest';
import { commandsPlugin } from '../../src/lab/commands';
import { kernelPlugin } from '../../src/lab/kernel-plugin';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { makeBundle } from '../../src/lab/saved-bundle';
import { MIME_TYPE } from '../../src/protocol';
import {
  fakeApp,
  newRendermime,
  openNotebook,
  settled,
  turnOutput,
  turnRecord,
  type FakePanel,
} from './fake-jupyterlab';

const versioned = (): Record<string, unknown> =>
  turnRecord('**Second**', {
    id: 'turn-2',
    cell_id: 'cell-0',
    versions: [turnRecord('**First**', { id: 'turn-1' })],
  });

let rendermime: RenderMimeRegistry;

async function open(...records: Record<string, unknown>[]): Promise<FakePanel> {
  const outputs = [
    { output_type: 'stream', name: 'stdout', text: 'CPU times' },
    ...records.map((record) => ({
      ...turnOutput(record, { 'text/html': 'saved' }),
      metadata: { [MIME_TYPE]: { notes: ['A note.'] }, tags: ['mine'] },
    })),
  ];
  const panel = openNotebook([{ source: '%%minimax\nHi.', outputs }, '%%minimax\nBelow.'], {
    rendermime,
  });
  panel.content.scrollToCell = () => Promise.resolve();
  const { app, tracker } = fakeApp(panel);
  await kernelPlugin.activate(app, tracker);
  await commandsPlugin.activate(app, tracker, null, null);
  await settled();
  return panel;
}

const saved = (panel: FakePanel): { data: Record<string, never>; metadata: object }[] =>
  (panel.content.model!.cells.get(0).toJSON() as unknown as { outputs: never[] }).outputs;
const button = (name: RegExp): HTMLButtonElement =>
  [...document.querySelectorAll<HTMLButtonElement>('.mm-header button')].find((each) =>
    name.test(each.getAttribute('aria-label') ?? ''),
  )!;

beforeEach(async () => {
  document.body.replaceChildren();
  rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
});

describe('the version switch', () => {
  it('replaces the output of the answer, in the document as well, and keeps the others', async () => {
    const panel = await open(versioned());
    button(/older/).click();
    await settled();
    expect(document.querySelector('.mm-turn strong')!.textContent).toBe('First');
    expect(document.querySelector('.mm-position')!.textContent).toBe('1/2');
    const [stream, output] = saved(panel);
    expect(stream).toMatchObject({ name: 'stdout' });
    expect(output!.metadata).toEqual({ tags: ['mine'] });
    const { [MIME_TYPE]: record, ...texts } = output!.data;
    expect(record).toMatchObject({ id: 'turn-1', cell_id: 'cell-0', newer: 1 });
    expect(Object.keys(texts).sort()).toEqual(['text/html', 'text/markdown', 'text/plain']);
    for (const text of Object.values(texts)) expect(String(text)).toContain('First');
    for (const text of Object.values(texts)) expect(String(text)).not.toContain('Second');
  });

  it('keeps the focus on the button, so that it can be pressed again', async () => {
    await open(versioned());
    button(/older/).focus();
    button(/older/).click();
    await settled();
    expect(document.activeElement).toBe(button(/older/));
    button(/newer/).focus();
    button(/newer/).click();
    await settled();
    expect(document.activeElement).toBe(button(/newer/));
    expect(document.querySelector('.mm-position')!.textContent).toBe('2/2');
  });

  it('describes the notebook to the kernel', async () => {
    const panel = await open(versioned());
    panel.schedule(1);
    panel.finish(1);
    const count = panel.kernel.descriptions.length;
    button(/older/).click();
    await settled();
    expect(panel.kernel.descriptions).toHaveLength(count + 1);
    const { changed } = panel.kernel.descriptions.at(-1) as { changed: Record<string, object> };
    expect(Object.keys(changed)).toEqual(['cell-0']);
    expect(JSON.stringify(changed)).toContain('"id":"turn-1"');
  });

  it('works without a kernel', async () => {
    const panel = await open(versioned());
    panel.sessionContext.session.kernel = null;
    button(/older/).click();
    await settled();
    expect(saved(panel)[1]!.data[MIME_TYPE]).toMatchObject({ id: 'turn-1' });
  });

  it('replaces the answer that it belongs to, if the cell has several', async () => {
    const panel = await open(turnRecord('Before', { id: 'a' }), versioned(), turnRecord('Z'));
    button(/older/).click();
    await settled();
    const ids = saved(panel)
      .slice(1)
      .map(({ data }) => (data[MIME_TYPE] as unknown as { id: string }).id);
    expect(ids).toEqual(['a', 'turn-1', 'turn-1']);
  });

  it('leaves an answer alone whose version cannot be read', async () => {
    const panel = await open(turnRecord('Second', { id: 'turn-2', versions: [{ id: 'damaged' }] }));
    const before = JSON.stringify(saved(panel));
    button(/older/).click();
    await settled();
    expect(JSON.stringify(saved(panel))).toBe(before);
  });
});

it('an output that the kernel sends replaces only the answer of its cell', async () => {
  const panel = await open(versioned());
  panel.schedule(1);
  const data = { [MIME_TYPE]: turnRecord('New', { id: 'turn-3' }), 'text/plain': 'New' };
  panel.kernel.reply('mm_magics.document', { outputs: { 'cell-0': { data, metadata: {} } } });
  await settled();
  expect(saved(panel)).toHaveLength(2);
  expect(saved(panel)[1]!.data).toEqual(data);
});

describe('the bundle of a version', () => {
  const bundle = (content: object[], fields: object = {}): Record<string, string> =>
    makeBundle(
      turnRecord('', { messages: [{ role: 'assistant', content }], ...fields }),
    ) as unknown as Record<string, string>;
  const text = (value: string): Record<string, string> => bundle([{ type: 'text', text: value }]);

  it('has formatted HTML, Markdown and text', () => {
    const made = text('# Title\n\n- **one**\n\n```python\nx < 1\n```\n\n$x^2$ and\n\n$$y$$\n');
    expect(made['text/html']).toMatch(
      /^<div class="mm-saved" style="overflow-y: hidden;">.*<h1>Title<\/h1>/,
    );
    expect(made['text/html']).toContain('<strong>one</strong>');
    expect(made['text/html']).toContain('x &lt; 1');
    expect(made['text/html']).toContain('\\(x^2\\)');
    expect(made['text/html']).toContain('\\[y\\]');
    expect(made['text/html']).toContain('<footer>MiniMax-M2.7');
    expect(made['text/html']).not.toContain('data-');
    expect(made['text/markdown']).toContain('- **one**');
    expect(made['text/plain']).toContain('- **one**');
  });

  it('shows thinking, tools and unknown blocks folded, and notes and errors below', () => {
    const made = bundle(
      [
        { type: 'thinking', thinking: 'Hm <b>' },
        { type: 'tool_use', id: 't', name: 'lookup', input: { q: '<i>' } },
        { type: 'hologram', depth: 3 },
      ],
      { notes: ['A <note>.'], error: 'It <broke>.', status: 'failed' },
    );
    const html = made['text/html'];
    expect(made['text/markdown']).toBe('```\nA <note>.\nIt <broke>.\n```');
    expect(made['text/plain']).toMatch(/\nA <note>.\nIt <broke>.$/);
    expect(html).toContain('<details><summary>Thinking</summary><pre>Hm &lt;b&gt;</pre></details>');
    expect(html).toContain('<summary>Tool: lookup</summary>');
    expect(html).toContain('Block of type hologram');
    expect(html).toContain('A &lt;note&gt;.');
    expect(html).toContain('<strong>It &lt;broke&gt;.</strong>');
  });

  it('loads nothing in any viewer', () => {
    const hostile =
      '![a](https://e.org/a.png) <img src="https://e.org/b.png" onerror=x> <script>x</script>\n\n' +
      '<a href="javascript:x">j</a> <iframe src="https://e.org"></iframe> \u202e \x1b[31m';
    const made = text(hostile);
    const page = new DOMParser().parseFromString(String(made['text/html']), 'text/html');
    expect(page.querySelectorAll('img, script, iframe, [src], [onerror]')).toHaveLength(0);
    expect([...page.querySelectorAll('a')].map((each) => each.protocol)).not.toContain(
      'javascript:',
    );
    expect(made['text/html']).toContain('href="https://e.org/a.png"');
    expect(made['text/markdown']).toMatch(/^```\n/);
    for (const link of ['[x](java&#115;cript:1)', '<a href=javascript:1>', '[x]: data:text/html,'])
      expect(text(link)['text/markdown']).toMatch(/^```\n/);
    expect(text('data: 1')['text/markdown']).toBe('data: 1');
    expect(text('````\n<script>x</script>')['text/markdown']).toMatch(/^`{5}\n/);
    for (const kind of ['text/html', 'text/markdown', 'text/plain'])
      expect(made[kind]).not.toMatch(/[\u202e\x1b]/);
  });

  it('leaves only allowed formulas to MathJax', () => {
    const evil =
      '$\\href{a}{b}$ <var class="mm-formula">&#36;c&#36;</var> \\\\(\\href{d}{e}\\\\) &#36;f&#36; \\begin{align}g\\end{align} $h$';
    const made = bundle([{ type: 'text', text: evil }], {
      error: '$i$',
      notes: ['\\(j\\)'],
      model: '$k$',
    });
    const box = document.createElement('div');
    box.innerHTML = made['text/html']!;
    for (const code of box.querySelectorAll('pre, code')) code.remove();
    const typeset = [...box.querySelectorAll('*')].flatMap((each) =>
      [...each.childNodes]
        .filter((node) => node.nodeType === Node.TEXT_NODE)
        .map((node) => node.textContent!)
        .filter((found) => /\$.|.\$|\\[([]|\\begin|\\ref/.test(found)),
    );
    expect(typeset).toEqual(['\\(h\\)']);
    expect(made['text/markdown']).toMatch(/^```\n/);
    expect(text('$5, $\\frac{a}{b}$')['text/markdown']).toBe('$5, $\\frac{a}{b}$');
  });

  it('is never longer than a saved turn may be, and is cut visibly', () => {
    for (const piece of ['|a|b|\n|-|-|\n', '- x\n', 'word ', '`a` ', '# b\n\n', '😀']) {
      const long = piece.repeat(Math.ceil(4_000 / piece.length));
      const made = text(long);
      const size = new TextEncoder().encode(JSON.stringify(made)).length;
      expect(size).toBeLessThanOrEqual(4 * new TextEncoder().encode(long).length + 3_200);
      expect(made['text/plain']).toMatch(/more characters in the cell's other formats\]$/);
    }
  });
});
