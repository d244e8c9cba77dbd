// Each viewer shows the same for the same Markdown. tests/display/test_rendering.py tests those in Python on the same rows.
import { Widget } from '@lumino/widgets';
import { describe, expect, test } from 'vitest';
import { rendererPlugin } from '../../src/lab/mime-renderer';
import { MIME_TYPE } from '../../src/protocol';
import { MarkdownStream } from '../../src/renderer/markdown/markdown-stream';
import { fakeApp, newRendermime, turnRecord } from './fake-jupyterlab';
import { expected, normalize, ROWS, SANITIZED } from '../renderer/rendering';

/** Show Markdown that arrives in pieces of this many characters. */
function stream(markdown: string, size: number): Node {
  const el = document.createElement('div');
  const shown = new MarkdownStream(el);
  for (let at = 0; at < markdown.length; at += size) {
    shown.push(markdown.slice(at, at + size));
    shown.step(Infinity);
  }
  shown.end();
  while (shown.step(Infinity));
  return el;
}

async function render(markdown: string): Promise<Node> {
  const rendermime = newRendermime();
  await rendererPlugin.activate(fakeApp().app, rendermime, null);
  const renderer = rendermime.createRenderer(MIME_TYPE);
  Widget.attach(renderer, document.body);
  const data = { [MIME_TYPE]: turnRecord(markdown) };
  await renderer.renderModel(rendermime.createModel({ data: data as never, trusted: true }));
  const text = renderer.node.querySelector('.mm-text');
  if (!text) throw new Error('no text is shown');
  return text;
}

describe.each(ROWS)('$name', ({ markdown, html }) => {
  test('live', () => {
    for (const size of [3, 10_000]) expect(normalize(stream(markdown, size))).toBe(expected(html));
  });

  test('MIME renderer', async () => {
    expect(normalize(await render(markdown))).toBe(expected(html));
  });
});

test.each(SANITIZED)('%s is sanitized as in the saved HTML', (source, html) => {
  expect(normalize(stream(source, 10_000))).toBe(html);
});
